# title: sfq: each flow has its share, and who asks for less does not wait
# draw: delay
# link: 5mbit
# flow: bulk 8mbit 1250 1 4
# flow: other 8mbit 1250 2 5
# flow: voice 64kbit 200 0 6
tc qdisc add dev wan root sfq
