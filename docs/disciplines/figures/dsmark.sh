# title: dsmark and tcindex: EF ahead of AF11, up to 0.5 mbit, and both ahead of the rest
# draw: delay
# link: 2mbit
# flow: EF 0.4mbit 500 0 10 tos 184 poisson
# flow: AF 1mbit 1000 0 10 tos 40 poisson
# flow: rest 1mbit 1000 3 7 poisson
tc qdisc add dev wan root handle 1: dsmark indices 64 set_tc_index
tc filter add dev wan parent 1: protocol ip prio 1 tcindex mask 0xfc shift 2
tc class change dev wan classid 1:0 dsmark mask 0x3 value 0x20
tc qdisc add dev wan parent 1: handle 2: prio bands 3 priomap 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2
tc filter add dev wan parent 2: protocol ip prio 1 handle 0x2e tcindex classid 2:1 pass_on
tc filter add dev wan parent 2: protocol ip prio 1 handle 0x0a tcindex classid 2:2
tc qdisc add dev wan parent 2:1 handle 21: tbf rate 500kbit burst 3000 limit 15000
