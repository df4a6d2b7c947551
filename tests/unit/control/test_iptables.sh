#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The real iptables in the hands of users and scripts, on a router with a null port: test_iptables.sh WEIRD WEIR.
# What it prints and refuses is compared with Linux in tests/conformance/iptables.py.
weird=$1
weir=$2
. "$(dirname "$0")/check.sh"
PATH=$PATH:/usr/sbin:/sbin
if ! command -v xtables-legacy-multi >/dev/null; then
	echo 'skipped: iptables is not installed'
	exit 77
fi

check 'no router' 3 'weir: no router at' env WEIR_SOCKET=/nonexistent/socket "$weir" iptables -L

host_tables() { xtables-legacy-multi iptables-save 2>/dev/null | grep -v '^#'; }
host_before=$(host_tables)

"$weird" --port eth0=net_null0 2>"$dir/log" &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	grep -q running "$dir/log" && break
	sleep 0.2
done

# by whatever name a script calls it
check 'weir iptables' 0 '^-P FORWARD ACCEPT' "$weir" iptables -S
check 'plain' 0 '' "$weir" exec sh -c 'iptables -A FORWARD -s 10.0.0.1 -j DROP'
path=$(command -v iptables)
check 'by its path' 0 '^-A FORWARD -s 10.0.0.1/32 -j DROP' "$weir" exec sh -c "$path -S"
check 'by bash' 0 '10.0.0.1' "$weir" exec bash -c 'iptables -S'
check 'by xargs' 0 '10.0.0.1' "$weir" exec sh -c 'echo -S | xargs iptables'
check 'by env' 0 '10.0.0.1' "$weir" exec env iptables -S
if command -v python3 >/dev/null; then
	check 'by python' 0 '10.0.0.1' "$weir" exec python3 -c 'import subprocess; subprocess.run(["iptables", "-S"], check=True)'
	check 'ebtables' 1 'no tables of arptables and ebtables' \
		"$weir" exec python3 -c 'import socket; socket.socket().setsockopt(socket.IPPROTO_IP, 128, b"")'
	check 'not other options' 0 '^32$' "$weir" exec python3 -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 32)
print(s.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS))'
	check 'by execl' 0 '10.0.0.1' "$weir" exec python3 -c 'import os; os.execlp("iptables", "iptables", "-S")'
fi
check 'legacy by name' 0 '10.0.0.1' "$weir" exec iptables-legacy -S
check 'iptables-save' 0 '^\*filter' "$weir" iptables-save
check 'plain iptables-save' 0 '^-A FORWARD -s 10.0.0.1/32 -j DROP' "$weir" exec sh -c 'iptables-save'
printf '*filter\n:web - [0:0]\n-A web -j ACCEPT\nCOMMIT\n' >"$dir/more"
check 'plain iptables-restore' 0 '' "$weir" exec sh -c "iptables-restore --noflush <$dir/more"
check 'and it is there' 0 '^-A web -j ACCEPT' "$weir" iptables -S web
check 'names' 0 '^filter$' "$weir" exec cat /proc/net/ip_tables_names
check 'matches' 0 '^multiport$' "$weir" exec cat /proc/net/ip_tables_matches
check 'targets' 0 '^TCPMSS$' "$weir" exec cat /proc/net/ip_tables_targets

# what is not there is refused in words
check 'nat' 3 'weir: table nat comes with connection tracking' "$weir" iptables -t nat -A POSTROUTING -j MASQUERADE
check 'said once' 3 '^1$' "$weir" exec sh -c 'iptables -t nat -L 2>&1 | grep -c "table nat comes"; exit 3'
check 'conntrack' 1 'chain FORWARD, rule 2: match conntrack comes with connection tracking' \
	"$weir" iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT
check 'state' 1 'match state comes with connection tracking' "$weir" iptables -A FORWARD -m state --state NEW
check 'CONNMARK' 1 'target CONNMARK comes with' "$weir" iptables -t mangle -A FORWARD -j CONNMARK --save-mark
check 'owner' 1 "match owner asks about the host's own sockets" "$weir" iptables -A OUTPUT -m owner --uid-owner 0
check 'recent' 1 'the router has no match recent' "$weir" iptables -A FORWARD -m recent --set
check 'where it may not stand' 1 'chain PREROUTING, rule 1: .*CLASSIFY' \
	"$weir" iptables -t mangle -A PREROUTING -j CLASSIFY --set-class 1:1
check 'ip6tables' 3 'does not forward IPv6 yet' "$weir" exec ip6tables -L
check 'nft' 1 "the router's packet filter is iptables-legacy's" "$weir" exec iptables-nft -L

# modules of what the router does itself
check 'modprobe' 0 '' "$weir" exec modprobe ip_tables
check 'modprobe of several' 0 '' "$weir" exec sh -c 'modprobe -a xt_mark iptable_mangle sch_htb && rmmod ipt_LOG'

# a table beyond any datagram, and the time that it takes
{
	echo '*mangle'
	i=0
	while [ $i -lt 5000 ]; do
		echo "-A PREROUTING -s 10.$((i / 250)).$((i % 250)).0/24 -p tcp --dport $i -j MARK --set-mark $i"
		i=$((i + 1))
	done
	echo COMMIT
} >"$dir/large"
check 'a large table' 0 '' "$weir" exec timeout 60 sh -c "iptables-restore <$dir/large"
check 'all of it' 0 '^5000$' "$weir" exec sh -c 'iptables -t mangle -S PREROUTING | grep -c MARK'
check 'one more' 0 '' "$weir" iptables -t mangle -I PREROUTING 2500 -j MARK --set-mark 7
check 'in its place' 0 '^-A PREROUTING -j MARK --set-xmark 0x7/0xffffffff' "$weir" iptables -t mangle -S PREROUTING 2500
check 'all gone' 0 '' "$weir" iptables -t mangle -F

# two at once wait for each other
"$weir" iptables -F
add_fifty() { for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "$weir" iptables -w -A FORWARD -s "10.$1.0.$i" -j DROP || return 1; done; }
add_fifty 1 &
other=$!
check 'two at once' 0 '' add_fifty 2
wait "$other" || { echo 'FAILED: the other of two'; failed=$((failed + 1)); }
check 'both are there' 0 '^40$' "$weir" exec sh -c 'iptables -S FORWARD | grep -c DROP'

# weir save
check 'save' 0 "^iptables-restore <<'IPTABLES'" "$weir" save
check 'save has the rules' 0 '^-A FORWARD -s 10.1.0.20/32 -j DROP' "$weir" save
"$weir" iptables -F
"$weir" iptables -X
check 'save of nothing' 1 '' sh -c "'$weir' save | grep -q IPTABLES"

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir" && chmod 666 "$WEIR_SOCKET"
	other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$weir" "$@"; }
	# Where the build tree is closed to others they cannot load the shim: nothing to be seen then.
	if other version >/dev/null 2>&1; then
		check 'others may look' 0 '^-P FORWARD ACCEPT' other iptables -S
		check 'others may not change' 1 'weir: changing the router takes root' other iptables -A FORWARD -j DROP
		check 'nothing was changed' 1 '' sh -c "'$weir' iptables -S | grep -q DROP"
	fi
fi

# a router of one's own needs no root
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && [ -r /dev/null ]; then
	check 'without root' 0 '^-A FORWARD -j DROP' \
		unshare -r "$weir" exec sh -c 'iptables -A FORWARD -j DROP; iptables -S FORWARD; iptables -F'
fi

kill "$pid"
wait "$pid" || { echo "FAILED: the router ended with status $?"; cat "$dir/log"; failed=$((failed + 1)); }
pid=
[ "$(host_tables)" = "$host_before" ] || { echo "FAILED: the host's tables were changed"; failed=$((failed + 1)); }
[ "$failed" = 0 ]
