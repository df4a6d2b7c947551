#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_install.sh BUILD: the built tree, installed below another root, works from there, and also when it is moved afterwards.
build=$1
dir=$(mktemp -d) || exit 1
failed=0
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $1"
	sed 's/^/    /' "$dir/out"
	failed=$((failed + 1))
}

# check NAME PATTERN COMMAND...: it succeeds and prints PATTERN
check() {
	name=$1 pattern=$2
	shift 2
	timeout 60 "$@" >"$dir/out" 2>&1 && grep -q -e "$pattern" "$dir/out" || fail "$name (want '$pattern')"
}

# try PREFIX: everything that an installation is for, from there
try() {
	weir=$1/bin/weir
	weird=$1/sbin/weird
	export WEIR_SOCKET="$dir/socket"
	check 'weir version' '^weir [0-9]' "$weir" version
	check 'weird --version' '^weird [0-9]' "$weird" --version
	check 'weir replay' 'received 0 + generated 0' "$weir" replay --port eth0 --config "$dir/setup"
	"$weird" --port eth0=net_ring0 --config "$dir/setup" 2>"$dir/log" &
	pid=$!
	for _ in $(seq 150); do
		grep -q running "$dir/log" && break
		sleep 0.1
	done
	check 'weird runs its --config' 'running with 1 port' cat "$dir/log"
	check 'weir ip' 'inet 192.0.2.1/24' "$weir" ip addr show dev eth0
	check 'weir exec' 'qdisc pfifo_fast' "$weir" exec sh -c 'tc qdisc show dev eth0'
	check 'weir show' 'eth0' "$weir" show ports
	kill "$pid" && wait "$pid" || fail 'weird stops'
	pid=
	for page in man1/weir.1 man8/weird.8; do
		[ -s "$1/share/man/$page" ] || [ -s "$1/man/$page" ] || fail "man page $page"
	done
}

cat >"$dir/setup" <<'END'
set -e
ip link set eth0 up
ip addr add 192.0.2.1/24 dev eth0
END
prefix=$(meson introspect "$build" --buildoptions |
	python3 -c 'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
: >"$dir/out"
meson install -C "$build" --no-rebuild --destdir "$dir/root" >"$dir/out" 2>&1 || fail 'meson install'
try "$dir/root$prefix"
mv "$dir/root$prefix" "$dir/moved"
try "$dir/moved"
[ "$failed" = 0 ]
