#!/bin/bash
# chasqui as an operator uses it: a broker of its own, every verb, every exit code.  Last line: N passed, N failed.
set -u
bin=${CHASQUI_BIN:-$PWD/${BUILD:-build}/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-cli.XXXXXX")
name=cli-test-$$
passed=0
failed=0
up_pid=

cleanup() {
	[ -z "$up_pid" ] || kill -9 "$up_pid" 2>/dev/null
	rm -rf "$work" /dev/shm/chasqui."$name".*
}
trap cleanup EXIT

start() {
	"$bin/chasqui" up -c conf/chasqui.ini -o instance.name="$name" -o data.directory="$work/data" \
		-o server.listen=127.0.0.1:0 -o worker.messages=10000 > "$work/up" 2> "$work/up.log" < /dev/null &
	up_pid=$!
	timeout 60 bash -c "until grep -q 'ready on' '$work/up'; do sleep 0.05; done" && return
	echo "the broker did not start:"
	cat "$work/up.log"
	exit 1
}

# expect CODE TEXT VERB...: exit code, and a text in stdout or stderr
expect() {
	local code=$1 text=$2 got
	shift 2
	"$bin/chasqui" "$@" > "$work/out" 2>&1 < "${input:-/dev/null}"
	got=$?
	if [ "$got" = "$code" ] && { [ -z "$text" ] || grep -qe "$text" "$work/out"; }; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	echo "chasqui $*: wanted exit code $code and \`$text\`, saw $got and:"
	head -n 20 "$work/out"
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
