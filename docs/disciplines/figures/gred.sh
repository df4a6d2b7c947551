# title: gred: what is out of its profile (AF13, then AF12) makes room for what is in it (AF11)
# draw: rate
# link: 5mbit
# flow: AF11 2mbit 1000 0 12 tos 40 poisson
# flow: AF12 2mbit 1000 2 12 tos 48 poisson
# flow: AF13 3mbit 1000 4 10 tos 56 poisson
tc qdisc add dev wan root handle 1: dsmark indices 8 set_tc_index
tc filter add dev wan parent 1: protocol ip prio 1 handle 10 tcindex mask 0xfc shift 2 classid 1:1 pass_on
tc filter add dev wan parent 1: protocol ip prio 1 handle 12 tcindex classid 1:2
tc filter add dev wan parent 1: protocol ip prio 1 handle 14 tcindex classid 1:3
tc qdisc add dev wan parent 1: handle 2: gred setup DPs 4 default 3 grio
tc qdisc change dev wan parent 1: handle 2: gred DP 1 limit 400kB min 60kB max 180kB avpkt 1000 burst 100 bandwidth 5mbit probability 0.02 prio 2
tc qdisc change dev wan parent 1: handle 2: gred DP 2 limit 400kB min 60kB max 180kB avpkt 1000 burst 100 bandwidth 5mbit probability 0.2 prio 3
tc qdisc change dev wan parent 1: handle 2: gred DP 3 limit 400kB min 15kB max 45kB avpkt 1000 burst 30 bandwidth 5mbit probability 0.5 prio 4
