#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A small office with two providers, as chapters 4 and 9.5 of the Linux Advanced Routing & Traffic Control HOWTO set it up:
# a rule and a second table send bob's traffic to the slow uplink; an HTB tree with SFQ leaves shares the fast one.
set -e

ip link set lan up
ip link set fast up
ip link set slow up
ip addr add 192.168.1.1/24 dev lan
ip addr add 212.64.94.251 peer 212.64.94.1 dev fast
ip addr add 212.64.78.148 peer 195.96.98.253 dev slow

ip route add default via 212.64.94.1 dev fast
ip rule add from 192.168.1.20 table 200
ip route add default via 195.96.98.253 dev slow table 200
ip route add 192.168.1.0/24 dev lan table 200

tc qdisc add dev fast root handle 1: htb default 30
tc class add dev fast parent 1: classid 1:1 htb rate 6mbit burst 15k
tc class add dev fast parent 1:1 classid 1:10 htb rate 5mbit burst 15k
tc class add dev fast parent 1:1 classid 1:20 htb rate 3mbit ceil 6mbit burst 15k
tc class add dev fast parent 1:1 classid 1:30 htb rate 1kbit ceil 6mbit burst 15k
tc qdisc add dev fast parent 1:10 handle 10: sfq perturb 10
tc qdisc add dev fast parent 1:20 handle 20: sfq perturb 10
tc qdisc add dev fast parent 1:30 handle 30: sfq perturb 10

U32='tc filter add dev fast protocol ip parent 1:0 prio 1 u32'
$U32 match ip dport 80 0xffff flowid 1:10
$U32 match ip sport 25 0xffff flowid 1:20
