# title: wrr: who has taken much has less of the link when another one comes, until that one has, too
# draw: rate
# link: 6mbit
# flow: first 5mbit 1000 0 16
# flow: second 5mbit 1000 4 16
# flow: third 5mbit 1000 8 12
tc qdisc add dev wan root handle 1: wrr sour ip classes 255 wmode1 1 weight1.min 0.1 weight1.decr 0.0000005 weight1.incr 0.02
