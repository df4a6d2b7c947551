# title: pfifo_fast: what asks for low delay (TOS 0x10) goes first
# draw: delay
# link: 5mbit
# flow: bulk 8mbit 1250 1 4
# flow: voice 64kbit 200 0 6 tos 0x10
ip link set wan txqueuelen 200
