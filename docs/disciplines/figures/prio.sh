# title: prio: band 1:1 starves the others while it has packets
# draw: rate
# link: 10mbit
# flow: first 8mbit 1250 3 6
# flow: second 6mbit 1250 1 9
# flow: third 6mbit 1250 0 10
tc qdisc add dev wan root handle 1: prio
tc qdisc add dev wan parent 1:1 pfifo limit 50
tc qdisc add dev wan parent 1:2 pfifo limit 50
tc qdisc add dev wan parent 1:3 pfifo limit 50
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5001 0xffff flowid 1:1
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5002 0xffff flowid 1:2
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5003 0xffff flowid 1:3
