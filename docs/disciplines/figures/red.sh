# title: red: the mean queue stays between min and max, and not at the limit
# draw: delay
# link: 10mbit
# flow: bulk 10.5mbit 1000 0 8 poisson
tc qdisc add dev wan root red limit 400kB min 30kB max 90kB avpkt 1000 burst 55 probability 0.1 bandwidth 10mbit
