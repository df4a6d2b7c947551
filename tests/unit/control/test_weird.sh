#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The daemon's start, configuration and end, on null ports: test_weird.sh WEIRD WEIR
weird=$1
weir=$2
. "$(dirname "$0")/check.sh"

check 'usage' 2 'a router needs a port' "$weird"
check 'help' 0 'usage: weird --port' "$weird" --help
check 'version' 0 '^weird [0-9]' "$weird" --version
check 'no such device' 1 'weird: port eth0: .*no-such-device' "$weird" --port eth0=no-such-device
check 'socket in no directory' 1 '/nonexistent' "$weird" --port eth0=net_null0 --socket /nonexistent/there/socket

cat >"$dir/bad" <<'END'
set -e
ip link set eth0 up
ip route add 192.0.2.0/24 via 198.51.100.1 dev eth0
ip link set eth0 down
END
check 'script that fails' 1 'bad line 3: exit status 2 from: ip route add' \
	"$weird" --port eth0=net_null0 --config "$dir/bad"
check 'script that is missing' 1 'none: No such file' "$weird" --port eth0=net_null0 --config "$dir/none"
[ ! -e "$WEIR_SOCKET" ] || { echo "FAILED: the socket is left over"; failed=$((failed + 1)); }

cat >"$dir/good" <<'END'
ip link set eth0 up
ip addr add 192.0.2.1/24 dev eth0
END
"$weird" --port eth0=net_null0 --port eth1=net_null1 --rate eth1=10mbit --config "$dir/good" 2>"$dir/log" &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	grep -q running "$dir/log" && break
	sleep 0.2
done
check 'running' 0 'weird: running with 2 ports and 1 worker' cat "$dir/log"
check 'configured' 0 'inet 192.0.2.1/24' "$weir" ip addr show dev eth0
check 'another is refused' 1 'a router is running at' "$weird" --port eth2=net_null2
check 'and did no harm' 0 'eth1' "$weir" ip link
kill "$pid"
wait "$pid"
got=$?
[ "$got" = 0 ] || { echo "FAILED: stopped with status $got:"; cat "$dir/log"; failed=$((failed + 1)); }
pid=
[ ! -e "$WEIR_SOCKET" ] || { echo "FAILED: the socket is left over"; failed=$((failed + 1)); }
[ "$failed" = 0 ]
