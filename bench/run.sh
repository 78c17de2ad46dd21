#!/bin/bash
# run.sh - how fast is this broker on this machine, and what does a message cost?  A fresh broker in a temporary directory,
# the load generator beside it; for each point the rate, the latency, and for each process CPU time and syscalls a message.
#
#   bench/run.sh [-s SECONDS] [-o section.key=value]...      (run it through `make bench`, which builds what it needs)
#
# Syscalls are counted by strace -c -f in a run of their own, because strace slows what it watches.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=3 options=()
while getopts s:o: flag; do
	case $flag in
	s) seconds=$OPTARG ;;
	o) options+=(-o "$OPTARG") ;;
	*) exit 2 ;;
	esac
done
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-bench.XXXXXX")
name=bench$$
broker=
stop() {
	[ -n "$broker" ] && kill "$broker" 2>/dev/null && wait "$broker" 2>/dev/null
	rm -rf "$work" /dev/shm/chasqui."$name".*
}
trap stop EXIT
build/bin/chasqui up -c conf/chasqui.ini -o server.listen=127.0.0.1:0 -o data.directory="$work/data" -o instance.name="$name" \
	"${options[@]}" >"$work/out" 2>"$work/err" &
broker=$!
for _ in $(seq 200); do
	grep -q ready "$work/out" && break
	kill -0 "$broker" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
	sleep 0.05
done
port=$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$work/out")
load=build/bench/load
queue=0

# pid role pairs of all daemons
processes() { build/bin/chasqui status -i "$name" | awk '/^(frontd|workerd|persistd) / { print $3, $1 }'; }
ticks() { awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

point() { # LABEL publish|consume arguments...
	local label=$1 mode=$2 line before=() n=0 pid role
	shift 2
	mapfile -t all < <(processes)
	for p in "${all[@]}"; do before+=("$(ticks "${p%% *}")"); done
	line=$("$load" "$mode" "$port" "bench$queue" seconds="$seconds" "$@")
	local operations=${line#*operations=}
	operations=${operations%% *}
	printf '%-26s %s\n' "$label" "$line"
	for p in "${all[@]}"; do
		pid=${p%% *} role=${p#* }
		awk -v t=$(($(ticks "$pid") - ${before[n]})) -v m="$operations" -v hz="$(getconf CLK_TCK)" -v r="$role" \
			'BEGIN { if (m > 0) printf "%-26s %-10s %6.2f us CPU a message\n", "", r, t * 1e6 / hz / m }'
		n=$((n + 1))
	done
}
syscalls() { # LABEL publish|consume arguments...
	local label=$1 mode=$2 pid role line operations pids=()
	shift 2
	command -v strace >/dev/null || return 0
	while read -r pid role; do
		strace -c -f -q -o "$work/strace.$role.$pid" -p "$pid" 2>/dev/null &
		pids+=($!)
	done < <(processes)
	sleep 0.5
	line=$("$load" "$mode" "$port" "bench$queue" seconds=2 "$@")
	operations=${line#*operations=} operations=${operations%% *}
	[ ${#pids[@]} -gt 0 ] || return 0
	kill -INT "${pids[@]}" 2>/dev/null || true
	wait "${pids[@]}" 2>/dev/null || true
	printf '%-26s %s operations under strace\n' "$label" "$operations"
	for f in "$work"/strace.*; do
		awk -v m="$operations" -v r="$(basename "$f" | cut -d. -f2)" \
			'$NF == "total" { printf "%-26s %-10s %6.2f syscalls a message\n", "", r, $4 / m }' "$f"
	done
	rm -f "$work"/strace.*
}
create() {
	queue=$((queue + 1))
	curl -sf -o /dev/null -X PUT -H 'Content-Type: application/json' -d "${1:-{\}}" "http://127.0.0.1:$port/v1/queues/bench$queue"
}

create
point 'publish 1x1' publish connections=1
create
point 'publish 16x1' publish connections=16
create
point 'publish 64x1' publish connections=64
point 'receive+ack 64x1' consume connections=64
create
point 'publish 64x16' publish connections=64 window=16
point 'receive+ack 64, 16 each' consume connections=64 max=16
create
point 'publish 256x1' publish connections=256
create
point 'publish 64x1 16 KiB' publish connections=64 size=16384
create '{"durability":"memory"}'
point 'publish 64x1, memory' publish connections=64
create
syscalls 'publish 64x1' publish connections=64
syscalls 'receive+ack 64x1' consume connections=64
