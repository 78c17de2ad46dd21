#!/bin/bash
# chasqui as an operator uses it: a broker of its own, every verb, every exit code.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/harness/cli.bash cli-test

start() {
	up_start -o worker.messages=10000
}

expect 69 "there is no broker" status -i "$name"
expect 78 "unknown key" up -o server.nothing=1
expect 78 "only loopback" up -c conf/chasqui.ini -o auth.mode=off -o server.listen=0.0.0.0:0
expect 2 "usage" up --nonsense
expect 0 "server.listen" help options
expect 0 "usage: chasqui queue ls" queue ls --help

start
expect 0 "workerd .* live " status -i "$name"
expect 0 '"role": "supervisor"' status -i "$name" --json
expect 0 '"name": "http_requests"' stats -i "$name" --json
expect 0 "publish_to_durable" stats -i "$name"

expect 0 "lease  *9s" queue create q lease=9s -i "$name"
expect 1 "exists already" queue create q -i "$name"
expect 0 "max_messages  *7" queue create q max_messages=7 --replace -i "$name"
expect 1 "no-queue" queue show nobody -i "$name"
expect 0 "^q .*fsync" queue ls -i "$name"

expect 0 '^[0-9A-Z]\{26\}$' msg put q "first message" -a tenant=a -i "$name"
head -c 100000 /dev/urandom > "$work/body"
input=$work/body expect 0 '^[0-9A-Z]\{26\}$' msg put q -i "$name"
expect 0 "^first message$" msg get q -n 1 -i "$name"
"$bin/chasqui" msg get q -i "$name" > "$work/back"
if cmp "$work/body" "$work/back"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
expect 1 "nothing to receive" msg get q -i "$name"

expect 0 "" msg put q again -i "$name"
expect 0 "^receipt " msg get q --keep-lease -n 1 -i "$name"
receipt=$(sed -n 's/^receipt //p' "$work/out")
expect 0 "" msg nack q "$receipt" --mode fail --delay 0s -i "$name"
expect 1 "lease-expired" msg ack q "$receipt" -i "$name"
expect 0 '"delivery_count": 2' msg get q --json --wait 5s -i "$name"
expect 0 "" msg put q later --delay 1h -i "$name"
expect 0 "stats.delayed  *1$" queue show q -i "$name"
expect 0 "removed  *1$" queue purge q --state delayed -i "$name"

expect 1 "is running" check -i "$name" -o data.directory="$work/data"
expect 0 "" down -i "$name"
wait "$up_pid"
up_pid=
expect 69 "there is no broker" down -i "$name"
expect 0 "batches" check -i "$name" -o data.directory="$work/data"

# What a supervisor that was killed leaves behind can be checked, and the next one goes on from it.
start
expect 0 "^q .*fsync" queue ls -i "$name"
kill -9 "$up_pid"
wait "$up_pid" 2>/dev/null
timeout 10 bash -c "while pgrep -f -- '--instance $name ' > /dev/null; do sleep 0.05; done"
expect 69 "not running" status -i "$name"
expect 69 "not running" down -i "$name"
expect 0 "batches" check -i "$name" -o data.directory="$work/data"
start
expect 0 "" queue rm q -i "$name"
expect 0 "" down -i "$name"
wait "$up_pid"
up_pid=

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
