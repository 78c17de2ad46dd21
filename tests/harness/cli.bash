# cli: what scripts share that use `chasqui` as an operator does.  Sourced with the name of their instance; gives $bin, $work (a
# directory), $passed and $failed, up_start, expect and holds, and leaves nothing behind.
bin=${CHASQUI_BIN:-$PWD/${BUILD:-build}/bin}
name=$1-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-$1.XXXXXX")
passed=0
failed=0
up_pid=

cleanup() {
	[ -z "$up_pid" ] || kill -9 "$up_pid" 2>/dev/null
	rm -rf "$work" /dev/shm/chasqui."$name".*
}
trap cleanup EXIT

# up_start OPTION...: a broker on a free port, its pid in $up_pid
up_start() {
	"$bin/chasqui" up -c conf/chasqui.ini -o instance.name="$name" -o data.directory="$work/data" \
		-o server.listen=127.0.0.1:0 "$@" > "$work/up" 2> "$work/up.log" < /dev/null &
	up_pid=$!
	timeout 60 bash -c "until grep -q 'ready on' '$work/up'; do sleep 0.05; done" && return
	echo "the broker did not start:"
	cat "$work/up.log"
	exit 1
}

# expect CODE TEXT VERB...: exit code, and a text in stdout or stderr; stdin is the file $input, or none
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

# holds WHAT COMMAND...
holds() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not so: $what; last output:"
		head -n 20 "$work/out"
	fi
}
