# title: codel: drops at a growing pace while packets wait above 5 ms (UDP, which does not slow down)
# draw: delay
# link: 10mbit
# flow: bulk 10.5mbit 1000 0 8 poisson
tc qdisc add dev wan root codel limit 400
