#!/bin/bash
# measure.sh - what a message costs each role with F frontds and W workers, on this machine: a fresh broker, one publisher
# process for each queue, CPU time from /proc/PID/schedstat (nanoseconds, all threads), system calls from perf.
#
#   bench/scaling/measure.sh [-c CONNECTIONS] [-w WINDOW] [-q QUEUES] [-s SECONDS] [-b BODY] [-p PIN] [-m MODE] F W
#
#   -p PIN   `F:W:P` CPU lists, such as 0:1:1: taskset of all frontds, all workers, persistd; default: not pinned
#   -m MODE  publish (default), memory (publish to queues with durability: memory), idle (no load at all)
#
# Prints one line of key=value: rate a second, CPU microseconds and system calls a message for each role, batches.
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
	-o server.processes="$fronts" -o worker.shards="$workers" -o worker.messages=1004000 -o worker.waiters=1024 \
	>"$work/out" 2>"$work/err" &
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
cpu() { cat $(for p in "$@"; do echo /proc/"$p"/task/*/schedstat; done) | awk '{ s += $1 } END { printf "%.0f", s / 1000 }'; }
stat_of() { build/bin/chasqui stats -i "$name" --json | awk -v k="\"$1\"," '$1 == "\"name\":" { on = $2 == k } on && $1 == "\"sum\":" { s += $2; on = 0 } END { print s + 0 }'; }
list() { local IFS=,; echo "$*"; }
csw() { cat $(for p in "$@"; do echo /proc/"$p"/status; done) | awk '/ctxt_switches/ { s += $2 } END { print s }'; }
f0=$(cpu "${frontd[@]}") w0=$(cpu "${workerd[@]}") p0=$(cpu "${persistd[@]}") b0=$(stat_of batches)
cf0=$(csw "${frontd[@]}") cw0=$(csw "${workerd[@]}") cp0=$(csw "${persistd[@]}")
perf=()
for role in frontd workerd persistd; do
	declare -n pids=$role
	perf stat -x, -o "$work/perf.$role" -e raw_syscalls:sys_enter -p "$(list "${pids[@]}")" -- sleep "$seconds" &
	perf+=($!)
done
if [ "$mode" = idle ]; then
	sleep "$seconds"
else
	load=()
	for q in $(seq "$queues"); do
		build/bench/load publish "$port" "s$q" seconds="$seconds" connections=$((connections / queues)) window="$window" \
			size="$body" >"$work/load.$q" &
		load+=($!)
	done
	wait "${load[@]}"
fi
f1=$(cpu "${frontd[@]}") w1=$(cpu "${workerd[@]}") p1=$(cpu "${persistd[@]}") b1=$(stat_of batches)
cf1=$(csw "${frontd[@]}") cw1=$(csw "${workerd[@]}") cp1=$(csw "${persistd[@]}")
wait "${perf[@]}" || true
calls() { awk -F, '/sys_enter/ { print $1 }' "$work/perf.$1"; }
cat "$work"/load.* 2>/dev/null >"$work/all" || true
awk -v F="$fronts" -v W="$workers" -v c="$connections" -v win="$window" -v q="$queues" -v s="$seconds" -v pin="${pin:-none}" -v mode="$mode" \
	-v f=$((f1 - f0)) -v w=$((w1 - w0)) -v p=$((p1 - p0)) -v b=$((b1 - b0)) \
	-v sf="$(calls frontd)" -v sw="$(calls workerd)" -v sp="$(calls persistd)" \
	-v cf=$((cf1 - cf0)) -v cw=$((cw1 - cw0)) -v cp=$((cp1 - cp0)) '
	{ for (i = 1; i <= NF; i++) { split($i, kv, "="); if (kv[1] == "operations") n += kv[2]; if (kv[1] == "refused") r += kv[2]
	  if (kv[1] == "p50_us" || kv[1] == "p50") p50 += kv[2]; if (kv[1] == "p99_us" || kv[1] == "p99") { if (kv[2] > p99) p99 = kv[2] } } }
	END {
		d = n > 0 ? n : 1 # idle: totals
		printf "F=%d W=%d conns=%d window=%d queues=%d pin=%s mode=%s seconds=%s n=%d rate=%.0f p50_us=%.0f p99_us=%.0f", F, W, c, win, q, pin, mode, s, n, n / s, NR ? p50 / NR : 0, p99
		printf " front_us=%.3f worker_us=%.3f persist_us=%.3f", f / d, w / d, p / d
		printf " front_calls=%.3f worker_calls=%.3f persist_calls=%.3f", sf / d, sw / d, sp / d
		printf " front_switches=%.3f worker_switches=%.3f persist_switches=%.3f", cf / d, cw / d, cp / d
		printf " batch=%.1f refused=%d\n", (b > 0 ? n / b : 0), r
	}' "$work/all"
