#!/bin/bash
# chasqui user, token, session and grant as an operator and two users type them, against a broker that wants credentials.
# Last line: N passed, N failed.
set -u
bin=${CHASQUI_BIN:-$PWD/${BUILD:-build}/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-people.XXXXXX")
name=people-test-$$
passed=0
failed=0
up_pid=
unset CHASQUI_TOKEN CHASQUI_TOKEN_FILE

cleanup() {
	[ -z "$up_pid" ] || kill -9 "$up_pid" 2>/dev/null
	exec 9>&-
	rm -rf "$work" /dev/shm/chasqui."$name".*
}
trap cleanup EXIT

good() { passed=$((passed + 1)); }
bad() {
	failed=$((failed + 1))
	echo "$1"
	head -n 20 "$2"
}

# expect CODE TEXT VERB...: exit code, and a text in stdout or stderr; stdin is $input
expect() {
	local code=$1 text=$2 got
	shift 2
	printf '%s' "${input:-}" | "$bin/chasqui" "$@" > "$work/out" 2>&1
	got=${PIPESTATUS[1]}
	if [ "$got" = "$code" ] && { [ -z "$text" ] || grep -qe "$text" "$work/out"; }; then
		good
	else
		bad "chasqui $*: wanted exit code $code and \`$text\`, saw $got and:" "$work/out"
	fi
}

# At a terminal: typed "prompt" "answer" ... -- VERB...; each answer is typed when its prompt stands there.  Leaves the screen in
# $work/screen, the exit code in $work/code.
typed() {
	local -a script=()
	local command turns=0
	while [ "$1" != -- ]; do
		script+=("$1")
		shift
	done
	shift
	command=$(printf '%q ' "$bin/chasqui" "$@")
	rm -f "$work/screen" "$work/code" "$work/keys"
	: > "$work/screen"
	mkfifo "$work/keys"
	exec 9<> "$work/keys"
	# Bash makes what it puts into the background deaf to ^C.
	env --default-signal=INT script -qfec "trap : INT; $command; echo \$? > $work/code" "$work/screen" < "$work/keys" > /dev/null 2>&1 &
	local terminal=$!
	while [ "$turns" -lt "${#script[@]}" ]; do
		timeout 20 bash -c "until grep -qF '${script[turns]}' '$work/screen'; do sleep 0.02; done" || break
		printf "${script[turns + 1]}" >&9
		turns=$((turns + 2))
	done
	timeout 20 bash -c "until [ -s '$work/code' ]; do sleep 0.02; done"
	exec 9>&-
	wait "$terminal"
}

# screen CODE TEXT ABSENT: after typed
screen() {
	if [ "$(cat "$work/code" 2> /dev/null)" = "$1" ] && grep -qe "$2" "$work/screen" && ! grep -qe "$3" "$work/screen"; then
		good
	else
		bad "at a terminal: wanted exit code $1, \`$2\` and no \`$3\`, saw $(cat "$work/code") and:" "$work/screen"
	fi
}

"$bin/chasqui" up -o instance.name="$name" -o data.directory="$work/data" -o server.listen=127.0.0.1:0 \
	-o worker.messages=10000 -o auth.mode=required > "$work/up" 2> "$work/up.log" < /dev/null &
up_pid=$!
if ! timeout 60 bash -c "until grep -q 'ready on' '$work/up'; do sleep 0.05; done"; then
	echo "the broker did not start:"
	cat "$work/up.log"
	exit 1
fi
url=$(sed -n 's/.*ready on \(http:[^ ]*\).*/\1/p' "$work/up")
here="-i $name"

# Who may read the data directory is admin; everybody else has to say who he is.
expect 0 'name  *admin' user show $here
expect 0 'credential.kind  *token' user show $here
expect 1 '401 unauthorized: .*say who you are: --user NAME' queue ls --url "$url"
expect 0 'READY' queue ls --url "$url" --token-file "$work/data/admin-token"
CHASQUI_TOKEN=$(cat "$work/data/admin-token") expect 0 'READY' queue ls --url "$url"
CHASQUI_TOKEN_FILE=$work/data/admin-token expect 0 'READY' queue ls --url "$url"
CHASQUI_TOKEN=mq_wrong expect 1 '401 unauthorized: .*the token of CHASQUI_TOKEN is wrong' queue ls $here

# Users: a password from stdin, from a terminal, and none.
input=$'password of ana\n' expect 0 'creates  *\["ana","ana.#"\]' user create ana $here
input=$'another password\n' expect 1 'exists already' user create ana $here
expect 1 'no password was given' user create nobody $here
expect 2 'command line' user create nobody password=secret $here
expect 0 'has_password  *false' user create bob --no-password quotas.queues=2 creates=bob,shop.# $here
expect 0 'quotas.queues  *2' user show bob $here
expect 0 '\["bob","shop.#"\]' user ls b $here
expect 0 '"role": "user"' user ls --json $here
typed 'password for carol: ' 'password of carol\r' 'again: ' 'password of carol\r' -- user create carol $here
screen 0 'has_password  *true' 'of carol$'
typed 'password for dora: ' 'one password\r' 'again: ' 'two passwords\r' -- user create dora $here
screen 1 'two different passwords' 'one password'
expect 1 'no-user' user show dora $here
typed 'password for dora: ' '\003' -- user create dora $here
screen 130 'password for dora' 'no password'

# The own password, by somebody who knows it, and by who does not.
expect 1 'no password was given' user show --user carol $here
input=$'password of carol\n' expect 0 'credential.kind  *password' user show --user carol $here
typed 'password of carol: ' 'password of carol\r' 'current password: ' 'password of carol\r' 'new password for carol: ' \
	'something new\r' 'again: ' 'something new\r' -- user passwd --user carol $here
screen 0 'name  *carol' 'something new'
input=$'password of carol\n' expect 1 'name or password of carol is wrong' user show --user carol $here
input=$'something new\nnot it at all\nand another\n' expect 1 '403 forbidden' user passwd --user carol $here
input=$'of the admin\n' expect 0 'name  *carol' user passwd carol $here

# Sessions.
input=$'password of ana\n' expect 0 '^mqs_' session login ana $here
grep -v '^mqs_' "$work/out" | grep -q 'expires .*shown this once' && good || bad 'a login says when it ends:' "$work/out"
input=$'password of ana\n' expect 0 'the token is in' session login ana --save "$work/ana" $here
if [ "$(stat -c %a "$work/ana")" = 600 ] && grep -q '^mqs_.\{43\}$' "$work/ana"; then good; else bad 'saved:' "$work/ana"; fi
expect 0 'credential.kind  *session' user show --token-file "$work/ana" $here
expect 0 ' true ' session ls --token-file "$work/ana" $here
expect 1 '403 forbidden: .*asked with' user ls --token-file "$work/ana" $here
expect 0 '' session rm current --token-file "$work/ana" $here
expect 1 '401 unauthorized' user show --token-file "$work/ana" $here
input=$'a wrong one\n' expect 1 '401 unauthorized' session login ana $here

# Tokens.
expect 0 '^mq_' token create 'for bob' bob --expires-in 1h $here
grep '^mq_' "$work/out" > "$work/bob"
expect 0 '' token create narrow bob --scope 'publish:bob' --save "$work/narrow" $here
expect 1 'scopes\[0\]' token create broken bob --scope 'publish' $here
expect 0 'publish:bob' token ls bob $here
id=$(awk '/narrow/ { print $1 }' "$work/out")

# Grants: what bob has is bob's until he shares it.
expect 0 'owner  *bob' queue create bob --token-file "$work/bob" $here
expect 0 '^[0-9A-Z]\{26\}$' msg put bob 'for ana' --token-file "$work/narrow" $here
expect 1 '403 forbidden.*consume:bob' msg get bob --token-file "$work/narrow" $here
input=$'password of ana\n' expect 1 '404 no-queue' msg get bob --user ana $here
expect 0 'rights  *\["consume"\]' grant set bob ana consume --token-file "$work/bob" $here
input=$'password of ana\n' expect 0 'for ana' msg get bob --user ana $here
expect 0 'ana  *\["consume"\]' grant ls bob --token-file "$work/bob" $here
expect 0 '' grant rm bob ana --token-file "$work/bob" $here
input=$'password of ana\n' expect 1 '404 no-queue' msg get bob --user ana $here
expect 1 'rights\[0\]' grant set bob ana read --token-file "$work/bob" $here
expect 1 '404 no-user' grant set bob never consume --token-file "$work/bob" $here
expect 0 'per_second' bench publish connections=2 seconds=0.2 queue=shop.bench --token-file "$work/bob" $here

# Ends.
expect 0 '' token rm "$id" $here
expect 1 '401 unauthorized' queue show bob --token-file "$work/narrow" $here
expect 0 'disabled  *true' user disable bob $here
expect 1 '401 unauthorized' user show --token-file "$work/bob" $here
expect 0 'disabled  *false' user enable bob $here
expect 0 'name  *bob' user show --token-file "$work/bob" $here
expect 0 'role  *admin' user set bob role=admin $here
expect 0 '' user rm bob $here
expect 1 'no-user' user show bob $here
expect 1 '409 last-admin' user rm admin $here
expect 0 'owner  *-' queue show bob $here
expect 2 'usage: chasqui user ls' user
expect 0 'usage: chasqui grant ls' help grant

# Nothing of a secret is in the log.
grep -qe 'password of\|something new\|mqs\{0,1\}_[A-Za-z0-9_-]\{43\}' "$work/up.log" && bad 'the log holds a secret:' "$work/up.log" || good

"$bin/chasqui" down $here
wait "$up_pid"
up_pid=
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
