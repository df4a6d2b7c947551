# title: cbq: 8 mbit is the isp's, 2 mbit the office's; what one leaves the other borrows
# draw: rate
# flow: isp 12mbit 1250 2 8
# flow: office 12mbit 1250 0 10
tc qdisc add dev wan root handle 10: cbq bandwidth 10Mbit avpkt 1000
tc class add dev wan parent 10: classid 10:1 cbq bandwidth 10Mbit rate 10Mbit allot 1514 weight 1Mbit prio 8 maxburst 20 avpkt 1000 bounded
tc class add dev wan parent 10:1 classid 10:100 cbq bandwidth 10Mbit rate 8Mbit allot 1514 weight 800Kbit prio 5 maxburst 20 avpkt 1000
tc class add dev wan parent 10:1 classid 10:200 cbq bandwidth 10Mbit rate 2Mbit allot 1514 weight 200Kbit prio 5 maxburst 20 avpkt 1000
tc filter add dev wan parent 10: protocol ip u32 match ip dport 5001 0xffff flowid 10:100
tc filter add dev wan parent 10: protocol ip u32 match ip dport 5002 0xffff flowid 10:200
tc qdisc add dev wan parent 10:100 handle 100: pfifo limit 50
tc qdisc add dev wan parent 10:200 handle 200: pfifo limit 50
