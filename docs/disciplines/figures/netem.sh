# title: netem: 40 ms, with a jitter of 10 ms by the normal distribution, and a line of 4 mbit
# draw: delay
# flow: a 2mbit 1250 0.5 6
# flow: b 3mbit 1250 3 5
tc qdisc add dev wan root netem limit 200 delay 40ms 10ms distribution normal rate 4mbit
