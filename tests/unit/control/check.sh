# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# For tests of programs: a directory of their own, a process `pid` that ends with them, and what a command has to do and say.
dir=$(mktemp -d) || exit 1
export WEIR_SOCKET="$dir/socket"
failed=0
pid=

cleanup() {
	[ -z "$pid" ] || kill "$pid"
	rm -rf "$dir"
}
trap cleanup EXIT

# check NAME STATUS PATTERN CMD...: the command's status, and a line of its output (stdout and stderr) that matches
check() {
	name=$1 status=$2 pattern=$3
	shift 3
	"$@" >"$dir/out" 2>&1
	got=$?
	if [ "$got" != "$status" ] || { [ -n "$pattern" ] && ! grep -q -e "$pattern" "$dir/out"; }; then
		echo "FAILED: $name: status $got (want $status), want '$pattern' in:"
		sed 's/^/    /' "$dir/out"
		failed=$((failed + 1))
	fi
}
