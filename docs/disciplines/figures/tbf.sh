# title: tbf: a bucket of 250 kB lets a burst pass, then 4 mbit
# draw: rate
# flow: offered 12mbit 1250 0.5 4
# flow: again 12mbit 1250 7 9
tc qdisc add dev wan root tbf rate 4mbit burst 250k limit 100k
