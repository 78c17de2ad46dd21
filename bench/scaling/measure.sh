#!/bin/bash
# measure.sh - what a message costs each role with F frontds and W workers, on this machine: a fresh broker, one publisher
# process for each queue, CPU time from /proc/PID/task/*/schedstat (nanoseconds), system calls from perf where it is there.
#
#   bench/scaling/measure.sh [-c CONNECTIONS] [-w WINDOW] [-q QUEUES] [-s SECONDS] [-b BODY] [-p PIN] [-m MODE] F W
#
#   -p PIN   `F:W:P` CPU lists, such as 0:1:1: taskset of all frontds, all workers, persistd; default: not bound
#   -m MODE  publish (default), memory (publish to queues with durability: memory), idle (no load at all)
#
# Prints one line of key=value: the rate, and for each role CPU microseconds, system calls, turns and wakes a message (idle: in
# all), records a journal batch, and a journal write's time.
set -euo pipefail
cd "$(dirname "$0")/../.."
connections=64 window=1 queues=1 seconds=2 body=1024 pin= mode=publish
while getopts c:w:q:s:b:p:m: flag; do
	case $flag in
	c) connections=$OPTARG ;;
	w) window=$OPTARG ;;
	q) queues=$OPTARG ;;
	s) seconds=$OPTARG ;;
	b) body=$OPTARG ;;
	p) pin=$OPTARG ;;
	m) mode=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 2 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fronts=$1 workers=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-scaling.XXXXXX")
name=scaling$$
broker=
stop() {
	if [ -n "$broker" ]; then
		kill "$broker" 2>/dev/null || true
		wait "$broker" 2>/dev/null || true
	fi
	rm -rf "$work" /dev/shm/chasqui."$name".*
}
trap stop EXIT
build/bin/chasqui up -o auth.mode=off -o server.listen=127.0.0.1:0 -o data.directory="$work/data" -o instance.name="$name" \
	-o server.processes="$fronts" -o worker.shards="$workers" -o worker.waiters=1024 >"$work/out" 2>"$work/err" &
broker=$!
for _ in $(seq 400); do
	grep -q ready "$work/out" && break
	kill -0 "$broker" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
	sleep 0.05
done
port=$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$work/out")
pids_of() { build/bin/chasqui status -i "$name" | awk -v r="$1" '$1 == r { print $3 }'; }
mapfile -t frontd < <(pids_of frontd)
mapfile -t workerd < <(pids_of workerd)
mapfile -t persistd < <(pids_of persistd)
if [ -n "$pin" ]; then
	IFS=: read -r pin_f pin_w pin_p <<<"$pin"
	for p in "${frontd[@]}"; do taskset -apc "$pin_f" "$p" >/dev/null; done
	for p in "${workerd[@]}"; do taskset -apc "$pin_w" "$p" >/dev/null; done
	for p in "${persistd[@]}"; do taskset -apc "$pin_p" "$p" >/dev/null; done
fi
config='{}'
[ "$mode" = memory ] && config='{"durability":"memory"}'
for q in $(seq "$queues"); do
	curl -sf -o /dev/null -X PUT -H 'Content-Type: application/json' -d "$config" "http://127.0.0.1:$port/v1/queues/s$q"
done

list() { local IFS=,; echo "$*"; }
cpu_us() { cat $(for p in "$@"; do echo "/proc/$p/task/*/schedstat"; done) | awk '{ s += $1 } END { printf "%.0f", s / 1000 }'; }
# NAME VALUE lines: CPU time, counters (sums over a role's processes), quantiles of a journal write
snapshot() {
	echo "front_us $(cpu_us "${frontd[@]}")"
	echo "worker_us $(cpu_us "${workerd[@]}")"
	echo "persist_us $(cpu_us "${persistd[@]}")"
	build/bin/chasqui stats -i "$name" --json | awk -F'[ ",:]+' '
		$2 == "name" { name = $3; quantiles = 0 }
		$2 == "sum" && $3 ~ /^[0-9]+$/ { print name, $3 }
		$2 == "sum" && $3 !~ /^[0-9]+$/ { quantiles = name == "write_time" }
		quantiles && ($2 == "p50" || $2 == "p99") { print "write_" $2, $3 }
		$2 == "processes" { quantiles = 0 }'
}
snapshot >"$work/before"
perf=()
if command -v perf >/dev/null; then
	for role in frontd workerd persistd; do
		declare -n pids=$role
		perf stat -x, -o "$work/perf.$role" -e raw_syscalls:sys_enter -p "$(list "${pids[@]}")" -- sleep "$seconds" &
		perf+=($!)
	done
fi
: >"$work/all"
if [ "$mode" = idle ]; then
	sleep "$seconds"
else
	load=() TIMEFORMAT='client=%U+%S'
	for q in $(seq "$queues"); do
		{ time build/bench/load http "$port" queue="s$q" make=0 warmup=0 seconds="$seconds" \
			connections=$((connections / queues)) \
			window="$window" size="$body" >"$work/load.$q"; } 2>"$work/time.$q" &
		load+=($!)
	done
	wait "${load[@]}"
	cat "$work"/load.* "$work"/time.* >"$work/all"
fi
snapshot >"$work/after"
[ ${#perf[@]} -gt 0 ] && wait "${perf[@]}" || true
for role in frontd workerd persistd; do
	awk -F, -v r="${role%d}" '/sys_enter/ { print r "_calls", $1 }' "$work/perf.$role" 2>/dev/null >>"$work/after" || true
done
awk -v head="F=$fronts W=$workers conns=$connections window=$window queues=$queues body=$body pin=${pin:-none} mode=$mode seconds=$seconds" \
	-v seconds="$seconds" '
	FILENAME ~ /before$/ { before[$1] = $2; next }
	FILENAME ~ /after$/ { after[$1] = $2; next }
	/^client=/ { split(substr($0, 8), t, "+"); client += t[1] + t[2]; next }
	{ loads++; for (i = 1; i <= NF; i++) { split($i, kv, "="); if (kv[1] == "operations") n += kv[2]; if (kv[1] == "refused") refused += kv[2]
	  if (kv[1] == "p50") p50 += kv[2]; if (kv[1] == "p99" && kv[2] + 0 > p99) p99 = kv[2] + 0 } }
	function each(label, key) { printf " %s=%.4f", label, (after[key] - before[key]) / (n > 0 ? n : 1) }
	END {
		printf "%s n=%d rate=%.0f p50_us=%.0f p99_us=%.0f refused=%d", head, n, n / seconds, loads ? p50 / loads : 0, p99, refused
		if (n > 0) printf " client_us=%.3f", client * 1e6 / n
		each("front_us", "front_us"); each("worker_us", "worker_us"); each("persist_us", "persist_us")
		each("front_calls", "front_calls"); each("worker_calls", "worker_calls"); each("persist_calls", "persist_calls")
		each("front_turns", "front_turns"); each("front_enters", "front_enters"); each("front_wakes", "front_wakes")
		each("worker_turns", "worker_turns"); each("worker_parks", "worker_parks"); each("worker_wakes", "worker_wakes")
		each("persist_parks", "persist_parks"); each("persist_wakes", "persist_wakes"); each("batches", "batches")
		printf " write_p50_us=%.0f write_p99_us=%.0f\n", after["write_p50"] / 1000, after["write_p99"] / 1000
	}' "$work/before" "$work/after" "$work/all"
