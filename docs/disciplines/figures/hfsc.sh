# title: hfsc: voice has its delay (rt), the rest is shared 2 to 1 (ls)
# draw: delay
# link: 5mbit
# flow: voice 64kbit 200 0 8
# flow: web 6mbit 1250 1 6
# flow: bulk 6mbit 1250 2 7
tc qdisc add dev wan root handle 1: hfsc default 3
tc class add dev wan parent 1: classid 1:1 hfsc sc umax 200b dmax 5ms rate 100kbit
tc class add dev wan parent 1: classid 1:2 hfsc ls rate 2mbit
tc class add dev wan parent 1: classid 1:3 hfsc ls rate 1mbit
tc qdisc add dev wan parent 1:2 pfifo limit 30
tc qdisc add dev wan parent 1:3 pfifo limit 30
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5001 0xffff flowid 1:1
tc filter add dev wan parent 1: protocol ip u32 match ip dport 5002 0xffff flowid 1:2
