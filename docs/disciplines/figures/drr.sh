# title: drr: classes share by their quanta, 3000 to 1500
# draw: rate
# link: 9mbit
# flow: double 8mbit 1250 0 6
# flow: single 8mbit 1250 2 8
tc qdisc add dev wan root handle 1: drr
tc class add dev wan parent 1: classid 1:1 drr quantum 3000
tc class add dev wan parent 1: classid 1:2 drr quantum 1500
tc qdisc add dev wan parent 1:1 pfifo limit 50
tc qdisc add dev wan parent 1:2 pfifo limit 50
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5001 0xffff flowid 1:1
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5002 0xffff flowid 1:2
