#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `tc monitor` while a tree comes, changes and goes: the lines that Linux 5.10 printed of an ifb: test_monitor.sh WEIRD WEIR
weird=$1
weir=$2
. "$(dirname "$0")/check.sh"

"$weird" --port i0=net_null0,no-rx=1 2>"$dir/log" &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	grep -q running "$dir/log" && break
	sleep 0.2
done
check 'up' 0 '' "$weir" ip link set i0 up
check 'queue length' 0 '' "$weir" ip link set i0 txqueuelen 32
"$weir" exec timeout 60 tc monitor >"$dir/lines" 2>&1 &
monitor=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do # until it listens
	"$weir" tc qdisc replace dev i0 root handle 7: bfifo
	"$weir" tc qdisc del dev i0 root
	sleep 0.2
	! grep -q bfifo "$dir/lines" || break
done
"$weir" exec sh -ec '
tc qdisc add dev i0 root handle 4: teql0
tc qdisc change dev i0 root teql0
tc qdisc replace dev i0 root handle 1: htb
tc class add dev i0 parent 1: classid 1:1 htb rate 10mbit
tc class change dev i0 parent 1: classid 1:1 htb rate 12mbit
tc qdisc add dev i0 parent 1:1 handle 10: pfifo
tc qdisc replace dev i0 parent 1:1 handle 11: pfifo limit 5
tc qdisc change dev i0 parent 1:1 handle 11: pfifo limit 7
tc qdisc replace dev i0 root handle 1: htb default 3 || true
tc qdisc replace dev i0 root handle 2: bfifo
tc qdisc replace dev i0 root handle 2: bfifo limit 5000
tc qdisc replace dev i0 root handle 3: prio
tc filter add dev i0 parent 3: protocol ip prio 1 handle 6 fw classid 3:1
tc filter replace dev i0 parent 3: protocol ip prio 1 handle 6 fw classid 3:2
tc filter del dev i0 parent 3: protocol ip prio 1 handle 6 fw
tc filter add dev i0 parent 3: protocol ip prio 2 handle 6 fw classid 3:1
tc qdisc del dev i0 root' 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
	tail -n 1 "$dir/lines" | grep -q 'deleted chain' && break
	sleep 0.2
done
kill "$monitor"
sed 's/ *$//' "$dir/lines" | awk '/bfifo 7:/ { n = 0; next } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }' >"$dir/got"
cat >"$dir/want" <<END
deleted qdisc pfifo_fast 0: dev i0 root bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1
qdisc teql0 4: dev i0 root
qdisc teql0 4: dev i0 root refcnt 2
deleted qdisc teql0 4: dev i0 root
qdisc htb 1: dev i0 root r2q 10 default 0 direct_packets_stat 0 direct_qlen 32
class htb 1:1 dev i0 root prio 0 rate 10Mbit ceil 10Mbit burst 1600b cburst 1600b
class htb 1:1 dev i0 root prio 0 rate 12Mbit ceil 12Mbit burst 1597b cburst 1597b
qdisc pfifo 10: dev i0 parent 1:1 limit 32p
deleted qdisc pfifo 10: dev i0 parent 1:1 limit 32p
qdisc pfifo 11: dev i0 parent 1:1 limit 5p
qdisc pfifo 11: dev i0 parent 1:1 limit 7p
deleted qdisc htb 1: dev i0 root r2q 10 default 0 direct_packets_stat 0 direct_qlen 32
qdisc bfifo 2: dev i0 root limit 48448b
qdisc bfifo 2: dev i0 root refcnt 2 limit 5000b
deleted qdisc bfifo 2: dev i0 root limit 5000b
qdisc prio 3: dev i0 root bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1
added chain dev i0 parent 3: chain 0
added filter dev i0 parent 3: protocol ip pref 1 fw chain 0 handle 0x6 classid 3:1
replaced filter dev i0 parent 3: protocol ip pref 1 fw chain 0 handle 0x6 classid 3:2
deleted filter dev i0 parent 3: protocol ip pref 1 fw chain 0 handle 0x6 classid 3:2
deleted chain dev i0 parent 3: chain 0
added chain dev i0 parent 3: chain 0
added filter dev i0 parent 3: protocol ip pref 2 fw chain 0 handle 0x6 classid 3:1
deleted qdisc prio 3: dev i0 root bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1
deleted chain dev i0 parent 3: chain 0
END
diff "$dir/want" "$dir/got" >"$dir/difference" || {
	echo 'FAILED: the lines differ (<: Linux):'
	cat "$dir/difference"
	failed=$((failed + 1))
}
kill "$pid"
wait "$pid" || { echo "FAILED: stopped with status $?:"; cat "$dir/log"; failed=$((failed + 1)); }
pid=
[ "$failed" = 0 ]
