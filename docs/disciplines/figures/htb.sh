# title: htb: 5 mbit is web's, 1 mbit bulk's; what one leaves the other borrows
# draw: rate
# flow: web 12mbit 1250 2 8
# flow: bulk 12mbit 1250 0 10
tc qdisc add dev wan root handle 1: htb default 20
tc class add dev wan parent 1: classid 1:1 htb rate 6mbit
tc class add dev wan parent 1:1 classid 1:10 htb rate 5mbit ceil 6mbit
tc class add dev wan parent 1:1 classid 1:20 htb rate 1mbit ceil 6mbit
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5001 0xffff flowid 1:10
tc qdisc add dev wan parent 1:10 handle 10: pfifo limit 50
tc qdisc add dev wan parent 1:20 handle 20: pfifo limit 50
