# title: pfifo: what comes faster than it leaves waits, up to the limit, whoever it is
# draw: delay
# link: 5mbit
# flow: bulk 8mbit 1250 1 4
# flow: voice 64kbit 200 0 6
tc qdisc add dev wan root pfifo limit 200
