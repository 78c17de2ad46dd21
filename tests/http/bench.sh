#!/bin/bash
# chasqui bench against a broker of its own: every mode gives figures, its queue is gone afterwards, and it keeps its hands off a
# queue that exists.  Then build/bench/load, where it was built.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/harness/cli.bash bench-test

number() { sed -n "s/^$1  *\([0-9.]*\)$/\1/p" "$work/out"; }
is_positive() { awk -v v="$(number "$1")" 'BEGIN { exit !(v > 0) }'; }
no_queues() { [ "$("$bin/chasqui" queue ls --json -i "$name")" = "[]" ]; }
ready_is() { "$bin/chasqui" queue show "$1" -i "$name" | grep -q "^stats.ready  *$2\$"; }

expect 2 "no field colour" bench colour=blue
expect 2 "is not publish, consume or e2e" bench listen
expect 2 "whole number from 1 to" bench connections=0
expect 2 "whole number" bench connections=1.5
expect 2 "number from" bench seconds=nan
expect 2 "no rate" bench consume rate=5
expect 2 "needs queue=NAME" bench --existing
expect 2 "not the http" bench --url ftp://127.0.0.1:1
expect 69 "there is no broker" bench -i "$name"
expect 69 "127.0.0.1:1" bench --url http://127.0.0.1:1

up_start -o worker.messages=300000 -o auth.mode=off # bench/load has no credentials
url=$(sed -n 's/.*ready on //p' "$work/up")

short="connections=4 seconds=0.3"
# shellcheck disable=SC2086 # a list of words
{
	expect 0 "^mode  *publish" bench $short -i "$name"
	holds "messages were published" is_positive messages
	holds "they took time" is_positive latency_us.p50
	holds "none was refused" test "$(number refused)" = 0
	holds "its queue is gone" no_queues
	expect 0 "^mode  *rate" bench publish $short rate=200 size=100 --url "$url"
	holds "every message that was due was answered" test "$(number missing)" = 0
	holds "60 were due in 0.3 s" test "$(number messages)" = 60
	expect 0 "^mode  *e2e" bench e2e $short rate=200 -i "$name"
	holds "each was received" test "$(number missing)" = 0
	holds "e2e took time" is_positive latency_us.p99
	expect 0 "^mode  *consume" bench consume $short batch=16 -i "$name"
	holds "messages were consumed" is_positive messages
	expect 0 "^mode  *consume" bench consume $short durability=memory -i "$name"
	expect 0 '"per_second": [1-9]' bench publish $short batch=10 window=2 --json -i "$name"
	holds "its queues are gone" no_queues
	expect 1 "bad-field" bench $short durability=eternal -i "$name"

	expect 0 "" queue create mine -i "$name"
	expect 1 "existing" bench $short queue=mine -i "$name"
	holds "it was left alone" ready_is mine 0
	expect 0 "^queue  *mine" bench $short queue=mine --existing -i "$name"
	holds "messages are in it" is_positive messages
	expect 0 "^queue  *mine" bench consume seconds=20 batch=100 queue=mine --existing -i "$name"
	holds "it was emptied before its time, and is still there" ready_is mine 0
	expect 1 "no-queue" bench $short queue=nobody --existing -i "$name"
	expect 0 "" queue rm mine -i "$name"
}

# Interrupted it tells what it saw, and leaves nothing behind.
"$bin/chasqui" bench seconds=60 connections=2 -i "$name" > "$work/out" 2>&1 &
bench_pid=$!
timeout 20 bash -c "until '$bin/chasqui' queue ls -i '$name' | grep -q '^bench-'; do sleep 0.05; done"
sleep 1 # past its warm-up; what is asserted does not hang on it
kill -INT "$bench_pid"
wait "$bench_pid"
holds "interrupted it gives figures" is_positive messages
holds "interrupted it deletes its queue" no_queues

load=${BUILD:-build}/bench/load
"$load" http "${url##*:}" mode=queues queue=many queues=300 connections=4 > "$work/out" 2>&1
holds "300 queues are made" grep -q ' stored=300 ' "$work/out"
"$load" http "${url##*:}" queue=many queues=300 count=600 make=0 connections=4 > "$work/out" 2>&1
holds "two messages went into the last of them" ready_is many-000299 2
"$load" http "${url##*:}" queue=raw count=50 connections=2 pid="$up_pid" > "$work/out" 2>&1
holds "its line says what the broker cost" grep -q ' stored=50 .* resident=[1-9]' "$work/out"
"$load" http "${url##*:}" queue=raw make=0 mode=consume raw=1 count=50 connections=2 > "$work/out" 2>&1
holds "raw bodies are received and acknowledged" grep -q ' consumed=50 ' "$work/out"

"$bin/chasqui" down -i "$name" > /dev/null
wait "$up_pid"
up_pid=

# A bare responder answers as many requests as were sent, whole or in pieces, from memory or from a journal on a disk.
responder=${BUILD:-build}/bench/responder
kinds=U
dd if=/dev/zero of="$work/direct" bs=4096 count=1 oflag=direct 2> /dev/null && kinds="U J JF"
for kind in $kinds; do
	port=$((20000 + $$ % 10000)) file=()
	[ "$kind" = U ] || file=("$work/journal")
	rm -f "$work/ready" # the last one's would do for this one before the shell has made it anew
	touch "$work/ready"
	"$responder" "$port" "$kind" "${file[@]}" > "$work/ready" 2> "$work/out" &
	responder_pid=$!
	timeout 60 bash -c "until grep -q ready '$work/ready'; do kill -0 $responder_pid || exit; sleep 0.05; done"
	"$load" http "$port" make=0 count=3000 window=16 connections=4 size=9000 pid="$responder_pid" > "$work/out" 2>&1
	holds "limit $kind answers all" grep -q ' stored=3[0-9]* .*refused=0 ' "$work/out"
	kill "$responder_pid"
	wait "$responder_pid" 2> /dev/null
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
