#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Real programs through the shim, against fake_router.c: test_shim.sh NETLINK_SERVER WEIR
server=$1
weir=$2
. "$(dirname "$0")/check.sh"

start() {
	: >"$dir/ready"
	"$server" "$WEIR_SOCKET" >"$dir/ready" &
	pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		! grep -q ready "$dir/ready" || return 0
		sleep 0.1
	done
	echo "the test server does not start"
	exit 1
}

host_value() { cat /proc/sys/net/ipv4/ip_forward; }
host_before=$(host_value)

check 'no router: ip' 1 'weir: no router at .*: is weird running' "$weir" ip link
check 'no router: said once' 1 '^1$' "$weir" exec sh -c 'ip link 2>&1 | grep -c "no router"; exit 1'
check 'no router: settings' 1 'no router' "$weir" sysctl net.ipv4.ip_forward
start

check 'links' 0 '^2: eth0: <BROADCAST' "$weir" ip link
check 'json' 0 '"ifname":"eth0"' "$weir" ip -j -s link show eth0
check 'addresses' 0 'inet 10.0.0.1/20' "$weir" ip addr show dev eth0
check 'qdisc statistics' 0 'Sent 1234 bytes 12 pkt.*dropped 3' "$weir" tc -s qdisc show dev eth0
check 'add' 0 '' "$weir" ip route add 10.1.0.1 dev eth0
check 'routes' 0 '^11.0.0.0 dev eth0' "$weir" ip route
check 'refusal' 2 'Error: table 99 takes no routes; table main does' "$weir" ip route add 10.1.0.1 dev eth0 table 99
check 'warning' 0 'Warning: table 77 was missing' "$weir" ip route add 10.1.0.1 dev eth0 table 77
check 'failed dump' 2 'Error: ipv4: FIB table does not exist' "$weir" ip route show table 77
check 'failed dump ends' 2 'Dump terminated' "$weir" ip route show table 77
check 'no such device' 1 'Device "eth7" does not exist' "$weir" ip link show dev eth7
check 'absolute path' 0 'qdisc tbf' "$weir" exec sh -c "$(command -v tc || echo /sbin/tc) qdisc"
check 'other netlink' 1 'Protocol not supported' "$weir" ip xfrm state

seq 1 2000 | sed 's/.*/route add 10.2.0.& dev eth0/; s/0\.\([0-9]*\) dev/0.0\/16 dev/' >"$dir/batch"
check 'batch' 0 '' "$weir" ip -batch "$dir/batch"
check 'a long dump' 0 '^2002$' "$weir" exec sh -c 'ip route | wc -l'
echo 'route add 10.2.0.1 dev eth0 table 99' >>"$dir/batch"
check 'batch line' 1 'Command failed .*batch:2001' "$weir" ip -batch "$dir/batch"

"$weir" exec timeout 10 ip monitor route >"$dir/monitor" 2>&1 &
monitor=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	"$weir" ip route add 10.9.9.9 dev eth0
	sleep 0.2
	! grep -q '10.9.9.9 dev eth0' "$dir/monitor" || break
done
kill "$monitor"
check 'monitor' 0 '^10.9.9.9 dev eth0' cat "$dir/monitor"

check 'read a setting' 0 '^1$' "$weir" exec cat /proc/sys/net/ipv4/ip_forward
check 'sh writes' 0 '^2$' "$weir" exec sh -c 'echo 2 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward'
check 'bash writes' 0 '^0$' "$weir" exec bash -c 'echo 0 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward'
check 'relative' 0 '^2$' "$weir" exec sh -c 'cd /proc/sys/net/ipv4; echo 2 >./../ipv4/ip_forward; cat ip_forward'
check 'tee writes' 0 '^1$' "$weir" exec sh -c 'echo 1 | tee /proc/sys/net/ipv4/ip_forward'
check 'sysctl writes' 0 'ip_forward = 2' "$weir" exec sysctl -w net.ipv4.ip_forward=2
check 'refused by sh' 1 'a number from 0 to 2 is wanted' "$weir" exec sh -c 'echo 9 >/proc/sys/net/ipv4/ip_forward'
check 'refused by bash' 1 'write error: Invalid argument' "$weir" exec bash -c 'echo 9 >/proc/sys/net/ipv4/ip_forward'
check 'refused by a program' 1 'write error: Invalid argument' \
	"$weir" exec sh -c '/bin/echo 9 >/proc/sys/net/ipv4/ip_forward'
check 'stdout comes back' 0 '^back$' \
	"$weir" exec bash -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo back; printf "%s\n" again | grep again'
check 'unknown setting' 2 'Permission denied' "$weir" exec sh -c 'echo 1 >/proc/sys/net/ipv4/nothing'
check 'unknown directory' 2 'Directory nonexistent' "$weir" exec sh -c 'echo 1 >/proc/sys/net/ipv4/conf/nothing/rp_filter'
check 'not by a link' 2 'Permission denied' \
	"$weir" exec sh -c "ln -s /proc/sys/net/ipv4 $dir/link; echo 1 >$dir/link/ip_forward"
check 'pattern' 0 'conf/eth0/rp_filter 2' \
	"$weir" exec sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 2 >$f; echo $f $(cat $f); done'
if [ "$(id -u)" = 0 ] && [ -c /dev/net/tun ]; then
	check 'taps are not made' 1 'the router makes no taps' unshare -n "$weir" exec ip tuntap add dev weirtap0 mode tap
fi
check 'listing' 0 'ip_forward' "$weir" exec ls -l /proc/sys/net/ipv4
check 'psched' 0 '^000003e8 00000040 000f4240 3b9aca00$' "$weir" exec cat /proc/net/psched
check 'weir sysctl' 0 'net.ipv4.ip_forward = 1' "$weir" sysctl net.ipv4.ip_forward
check 'weir sysctl refused' 1 'from 0 to 2' "$weir" sysctl net.ipv4.ip_forward=9
check 'weir sysctl unknown' 1 "no setting 'net.ipv4.none'" "$weir" sysctl net.ipv4.none
check 'report' 0 '^routes [0-9]' "$weir" show routes
check 'report as JSON' 0 '^{"routes": ' "$weir" show routes --json
check 'no report' 2 "no report 'nothing'" "$weir" show nothing
check 'isolated' 0 'eth0' "$weir" exec --isolate ip link
check 'another namespace' 0 'link/loopback 00:00:00:00:00:00' "$weir" exec unshare -rn sh -c 'ip link'
check 'setting of another namespace' 0 '^0$' \
	"$weir" exec unshare -rn sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward'
# (a weir that was built with ASan wants its run time before the shim: not here)
check 'weir in another namespace' 0 'eth0' \
	env ASAN_OPTIONS=verify_asan_link_order=0 "$weir" exec unshare -rn "$weir" ip link
printf '#!/bin/sh\nexec "$@"\n' >"$dir/sudo" && chmod 700 "$dir/sudo"
check 'sudo' 126 'sudo would act on the host' "$weir" exec sh -c "$dir/sudo ip link"
check 'sudo by bash' 126 'sudo would act on the host' "$weir" exec bash -c "PATH=$dir:\$PATH; sudo ip link; exit \$?"
check 'sudo alone' 1 'sudo would act on the host' "$weir" exec "$dir/sudo" ip link
check 'no such program' 1 "the program 'no-such-program' is not there" "$weir" exec no-such-program
printf 'int main(void) { return 0; }\n' >"$dir/static.c"
if cc -static -o "$dir/static" "$dir/static.c" 2>/dev/null; then
	check 'static' 1 'static is statically linked' "$weir" exec "$dir/static"
	check 'static, isolated' 0 '' "$weir" exec --isolate "$dir/static"
fi
echo 'ip link' >"$dir/script" && chmod 700 "$dir/script"
check 'script without #!' 0 'eth0' "$weir" exec "$dir/script"
check 'usage' 2 'usage: weir' "$weir"
check 'no verb' 2 "no verb 'frobnicate'" "$weir" frobnicate

if command -v python3 >/dev/null; then
	cat >"$dir/python" <<'END'
import fcntl, os, socket, struct, subprocess
print(socket.if_nametoindex("eth0"), socket.if_indextoname(1), [n for _, n in socket.if_nameindex()])
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
s.bind((0, 0))
assert s.getsockname()[0] == os.getpid(), s.getsockname()
t = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
t.bind((0, 0))
assert t.getsockname()[0] != os.getpid()
try:
    t2 = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    t2.bind((os.getpid(), 0))
    assert False, "two sockets of one port id"
except OSError as e:
    assert e.errno == 98, e
# a dump with the family alone, on a socket that does not block, read at once; child processes meanwhile
subprocess.run(["true"], check=True)
s.send(struct.pack("=IHHIIB3x", 20, 18, 0x301, 5, 0, 0))
data, source = s.recvfrom(65536)
assert source == (0, 0), source
assert struct.unpack("=IHHII", data[:16])[1:4:2] == (16, 5), data[:16]
d = os.dup(s.fileno())
s.close()
e = socket.socket(fileno=d)
e.send(struct.pack("=IHHIIB3x", 20, 18, 0x301, 6, 0, 0))
assert struct.unpack("=IHHII", e.recv(65536)[:16])[3] == 6
i = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(struct.unpack("16si", fcntl.ioctl(i, 0x8933, struct.pack("16si", b"eth0", 0))[:20])[1])
with open("/proc/sys/net/ipv4/ip_forward", "w") as f:
    f.write("2\n")
print("forward", open("/proc/sys/net/ipv4/ip_forward").read().strip(), os.listdir("/proc/sys/net/ipv4"))
END
	check 'python: names' 0 "^2 lo \['lo', 'eth0'\]" "$weir" exec python3 "$dir/python"
	check 'python: ioctl' 0 '^2$' "$weir" exec python3 "$dir/python"
	check 'python: files' 0 "^forward 2 \['conf', 'ip_forward'\]" "$weir" exec python3 "$dir/python"
fi

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir" && chmod 666 "$WEIR_SOCKET"
	# Where the build tree is closed to others they cannot load the shim: nothing to be seen then.
	if setpriv --reuid 65534 --regid 65534 --clear-groups "$weir" version >/dev/null 2>&1; then
		other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$weir" "$@"; }
		check 'others may look' 0 'eth0' other ip link
		check 'others may not change' 2 'Error: changing the router takes root' other ip route add 10.0.0.1 dev eth0
		check 'others may not set' 1 'Permission denied' other sysctl net.ipv4.ip_forward=1
	fi
	chmod 660 "$WEIR_SOCKET"
fi

check 'a live router is not replaced' 1 'a router is running' "$server" "$WEIR_SOCKET"
kill -9 "$pid"
wait "$pid" 2>/dev/null
start # over the dead one's socket
check 'a dead router is replaced' 0 'eth0' "$weir" ip link
kill "$pid"
wait "$pid" || { echo "FAILED: the server ended with status $?"; failed=$((failed + 1)); }
pid=
[ ! -e "$WEIR_SOCKET" ] || { echo "FAILED: the socket is left over"; failed=$((failed + 1)); }
[ "$(host_value)" = "$host_before" ] || { echo "FAILED: a setting of the host was changed"; failed=$((failed + 1)); }
[ "$failed" = 0 ]
