# title: fq_codel: voice does not wait; bulk, which does not slow down, loses packets
# draw: delay
# link: 5mbit
# flow: bulk 5.2mbit 1250 1 9 poisson
# flow: voice 64kbit 200 0 10
tc qdisc add dev wan root fq_codel
