#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# mq as tc shows it on a port of two transmit queues: what Linux 5.10 and 6.1 answered on a veth of two: test_mq.sh WEIRD WEIR
weird=$1
weir=$2
. "$(dirname "$0")/check.sh"

start() { # start ARGUMENT...
	: >"$dir/log"
	"$weird" --port eth0=net_null0,no-rx=1 "$@" 2>"$dir/log" &
	pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		grep -q running "$dir/log" && break
		sleep 0.2
	done
	check "up $*" 0 '' "$weir" ip link set eth0 up
}

stop() {
	kill "$pid"
	wait "$pid" || { echo "FAILED: stopped with status $?:"; cat "$dir/log"; failed=$((failed + 1)); }
	pid=
}

# same NAME CMD...: the output, all of it, is what stdin says; blanks at the ends of lines do not count
same() {
	name=$1
	shift
	cat >"$dir/want"
	"$@" 2>&1 | sed 's/ *$//' >"$dir/got"
	diff "$dir/want" "$dir/got" >"$dir/difference" && return
	echo "FAILED: $name:"
	cat "$dir/difference"
	failed=$((failed + 1))
}

leaf='bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1'
none=' Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0'

start --workers 2 --queues eth0=1,2
same 'the default root' "$weir" tc qdisc show dev eth0 <<END
qdisc mq 0: root
qdisc pfifo_fast 0: parent :2 $leaf
qdisc pfifo_fast 0: parent :1 $leaf
END
same 'its classes' "$weir" tc class show dev eth0 <<END
class mq :1 root
class mq :2 root
END
check 'ip link' 0 'qdisc mq state' "$weir" ip link show eth0
check 'the default root stays' 2 'Cannot delete qdisc with handle of zero' "$weir" tc qdisc del dev eth0 root
check 'save leaves it out' 1 '' sh -c "'$weir' save | grep qdisc"
check 'add' 0 '' "$weir" tc qdisc add dev eth0 root mq
same 'statistics' "$weir" tc -s qdisc show dev eth0 <<END
qdisc mq 8001: root
$none
qdisc pfifo_fast 0: parent 8001:2 $leaf
$none
qdisc pfifo_fast 0: parent 8001:1 $leaf
$none
END
same 'statistics of classes' "$weir" tc -s class show dev eth0 parent 8001: <<END
class mq 8001:1 root
$none
class mq 8001:2 root
$none
END
check 'class add' 2 'Operation not supported' "$weir" tc class add dev eth0 parent 8001: classid 8001:5 htb rate 1mbit
check 'class change' 2 'Operation not supported' "$weir" tc class change dev eth0 parent 8001: classid 8001:1 htb rate 1mbit
check 'class del' 2 'Operation not supported' "$weir" tc class del dev eth0 classid 8001:1
check 'no such class' 2 'No such file or directory' "$weir" tc class del dev eth0 classid 8001:7
for parent in 8001: 8001:1; do
	check "filter at $parent" 2 "Class doesn't support blocks" \
		"$weir" tc filter add dev eth0 parent $parent protocol ip prio 1 u32 match u32 0 0 flowid 8001:1
done
check 'change' 0 '' "$weir" tc qdisc change dev eth0 root mq
check 'replace' 0 '' "$weir" tc qdisc replace dev eth0 root mq
check 'replaced, it is the same' 0 'qdisc mq 8001: root' "$weir" tc qdisc show dev eth0
check 'another handle' 2 'NLM_F_REPLACE needed to override' "$weir" tc qdisc add dev eth0 root handle 5: mq
check 'replace by another handle' 0 '' "$weir" tc qdisc replace dev eth0 root handle 5: mq
same 'replaced' "$weir" tc qdisc show dev eth0 <<END
qdisc mq 5: root
qdisc pfifo_fast 0: parent 5:2 $leaf
qdisc pfifo_fast 0: parent 5:1 $leaf
END
check 'save' 0 'tc qdisc add dev eth0 root handle 5: mq$' "$weir" save
check 'the leaves stay' 2 'The queues of mq keep their default' "$weir" tc qdisc add dev eth0 parent 5:1 pfifo
check 'no leaf is deleted' 2 'Cannot delete qdisc with handle of zero' "$weir" tc qdisc del dev eth0 parent 5:2
check 'another root' 0 '' "$weir" tc qdisc replace dev eth0 root handle 1: htb
same 'nothing is left' "$weir" tc class show dev eth0 </dev/null
check 'a class for it' 0 '' "$weir" tc class add dev eth0 parent 1: classid 1:1 htb rate 1mbit
check 'not below the root' 2 'mq goes to the root of a port' "$weir" tc qdisc add dev eth0 parent 1:1 mq
check 'del' 0 '' "$weir" tc qdisc del dev eth0 root
check 'it is back' 0 'qdisc mq 0: root' "$weir" tc qdisc show dev eth0
check 'another kind by default' 0 '' "$weir" sysctl net.core.default_qdisc=bfifo
check 'what stands stays' 0 'qdisc pfifo_fast 0: parent :1' "$weir" tc qdisc show dev eth0
check 'a new mq' 0 '' "$weir" tc qdisc replace dev eth0 root handle 6: mq
same 'queues of the new kind' "$weir" tc qdisc show dev eth0 <<END
qdisc mq 6: root
qdisc bfifo 0: parent 6:2 limit 1514000b
qdisc bfifo 0: parent 6:1 limit 1514000b
END
check 'and another' 0 '' "$weir" sysctl net.core.default_qdisc=sfq
"$weir" save >"$dir/saved"
check 'a default root in its place' 0 '' "$weir" tc qdisc del dev eth0 root
check 'queues of the newest kind' 0 'qdisc sfq 0: parent :1' "$weir" tc qdisc show dev eth0
check 'what was saved' 0 '' "$weir" exec sh -e "$dir/saved"
check 'makes the queues again' 0 'qdisc bfifo 0: parent 6:1' "$weir" tc qdisc show dev eth0
check 'and the default' 0 '^sfq$' "$weir" sysctl -n net.core.default_qdisc
check 'a kind that mq cannot have' 1 'cannot stand where nothing was configured' "$weir" sysctl net.core.default_qdisc=tbf
check 'queue length and mtu' 0 '' "$weir" ip link set eth0 txqueuelen 10 mtu 1400
stop

for arguments in '--workers 2' '--queues eth0=1,2' '--workers 2 --queues eth0=1,2 --rate eth0=10mbit'; do
	# shellcheck disable=SC2086
	start $arguments
	same "$arguments" "$weir" tc qdisc show dev eth0 <<END
qdisc pfifo_fast 0: root refcnt 2 $leaf
END
	check "$arguments: mq" 2 'mq: this port sends by one queue' "$weir" tc qdisc add dev eth0 root mq
	stop
done
[ "$failed" = 0 ]
