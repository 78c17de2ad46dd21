#!/bin/bash
# HTTPS with the programs that people have: the commands of docs/operations.md for a certificate, curl, openssl s_client, and
# chasqui itself.  Last line: N passed, N failed.
set -u
bin=${CHASQUI_BIN:-$PWD/${BUILD:-build}/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-tls.XXXXXX")
name=tls-test-$$
passed=0
failed=0
up_pid=

cleanup() {
	[ -z "$up_pid" ] || kill -9 "$up_pid" 2> /dev/null
	rm -rf "$work" /dev/shm/chasqui."$name".*
}
trap cleanup EXIT

# expect CODE TEXT COMMAND...: exit code, and a text in stdout or stderr
expect() {
	local code=$1 text=$2 got
	shift 2
	timeout 60 "$@" > "$work/out" 2>&1 < /dev/null
	got=$?
	if [ "$got" = "$code" ] && { [ -z "$text" ] || grep -qe "$text" "$work/out"; }; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	echo "$*: wanted exit code $code and \`$text\`, saw $got and:"
	head -n 20 "$work/out"
}

# The commands between these markers are those of the manual, with its directory.
sed -n '/^<!-- tls:begin -->$/,/^<!-- tls:end -->$/s/^    //p' docs/operations.md | sed "s|/etc/chasqui|$work|g; s|^chown .*||" > "$work/commands"
expect 0 "" grep -q "openssl req" "$work/commands"
expect 0 "" sh -e "$work/commands"
ca=$work/ca.pem

start() {
	"$bin/chasqui" up -c conf/chasqui.ini -o instance.name="$name" -o data.directory="$work/data" -o worker.messages=10000 \
		-o server.listen=127.0.0.1:0 -o tls.listen=127.0.0.1:0 -o tls.certificate="$work/certificate.pem" \
		-o tls.key="$work/key.pem" -o tls.client_ca="$ca" -o auth.mode=off "$@" > "$work/up" 2> "$work/up.log" < /dev/null &
	up_pid=$!
	timeout 60 bash -c "until grep -q 'ready on' '$work/up'; do sleep 0.05; done" || { cat "$work/up.log"; exit 1; }
	port=$(sed -n 's|.*https://127.0.0.1:||p' "$work/up")
	url=https://localhost:$port
}

stop() {
	kill -TERM "$up_pid"
	wait "$up_pid"
	expect 0 "" [ $? = 0 ]
	up_pid=
}

start
expect 0 "https://127.0.0.1:$port" "$bin/chasqui" status -i "$name"
expect 0 "\"listen_tls\": \"127.0.0.1:$port\"" "$bin/chasqui" status -i "$name" --json
expect 0 "^201$" curl -sS --cacert "$ca" -o /dev/null -w '%{http_code}\n' -X PUT "$url/v1/queues/q"
for version in 1.2 1.3; do
	expect 0 "^201$" curl -sS --cacert "$ca" "--tlsv$version" --tls-max "$version" -o /dev/null -w '%{http_code}\n' \
		-H 'Content-Type: text/plain' -d "by $version" "$url/v1/queues/q/messages"
	expect 0 "by $version" curl -sS --cacert "$ca" "--tlsv$version" --tls-max "$version" --json '{"max":1}' \
		"$url/v1/queues/q/messages:receive"
done
expect 60 "certificate" curl -sS "$url/livez"
expect 0 "HTTPS port" curl -sS "http://127.0.0.1:$port/livez"
expect 0 "TLSv1.3" openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" -verify_return_error -alpn http/1.1
expect 0 "Verify return code: 0 (ok)" openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" -tls1_2
expect 0 "ALPN protocol: http/1.1" openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" -alpn h2,http/1.1
expect 1 "alert no application protocol" openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" -alpn h2
for old in "-tls1_2 -cipher AES128-SHA" "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA" "-tls1_1 -cipher ALL:@SECLEVEL=0"; do
	# shellcheck disable=SC2086 # several words
	expect 1 "alert" openssl s_client -connect "127.0.0.1:$port" -CAfile "$ca" $old
done

expect 0 "lease  *9s" "$bin/chasqui" queue create cli lease=9s --url "$url" --ca "$ca"
expect 0 "" "$bin/chasqui" msg put cli hello --url "$url" --ca "$ca"
expect 0 "hello" "$bin/chasqui" msg get cli --url "$url" --ca "$ca"
expect 0 "per_second" "$bin/chasqui" bench publish connections=4 seconds=0.2 --url "$url" --ca "$ca"
expect 1 "\-\-ca FILE names the authority" "$bin/chasqui" queue ls --url "$url"
expect 1 "names the authority" "$bin/chasqui" bench publish connections=4 seconds=0.2 queue=cli --existing --url "$url"
expect 0 "tls_handshakes" "$bin/chasqui" stats -i "$name"
stop

# Only HTTPS, and only for those with a certificate.
start -o server.listen=off -o tls.client_auth=required
expect 56 "certificate required" curl -sS --cacert "$ca" "$url/livez"
expect 0 "" sh -c "cd '$work' && openssl req -newkey rsa:2048 -nodes -keyout shop.key -out shop.csr -subj /CN=shop 2> /dev/null &&
	openssl x509 -req -in shop.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out shop.pem -days 1 2> /dev/null"
expect 0 "live" curl -sS --cacert "$ca" --cert "$work/shop.pem" --key "$work/shop.key" "$url/livez"
expect 0 "^cli" "$bin/chasqui" queue ls --url "$url" --ca "$ca" --cert "$work/shop.pem" --key "$work/shop.key"
expect 0 "^cli" "$bin/chasqui" queue ls -i "$name" --ca "$ca" --cert "$work/shop.pem" --key "$work/shop.key"
stop

# Who a client is by its certificate.
start -o auth.mode=required -o tls.client_auth=optional -o tls.client_users=cn
expect 0 "name  *shop" "$bin/chasqui" user create shop --no-password -i "$name"
expect 0 "^401$" curl -sS --cacert "$ca" -o /dev/null -w '%{http_code}\n' "$url/v1/users/shop"
mine=(--cacert "$ca" --cert "$work/shop.pem" --key "$work/shop.key")
expect 0 '"name":"shop"' curl -sS "${mine[@]}" "$url/v1/users/shop"
expect 0 "^201$" curl -sS "${mine[@]}" -o /dev/null -w '%{http_code}\n' -X PUT "$url/v1/queues/shop.inbox"
expect 0 "^403$" curl -sS "${mine[@]}" -o /dev/null -w '%{http_code}\n' -X PUT "$url/v1/queues/other"
expect 0 "" "$bin/chasqui" user rm shop -i "$name"
expect 0 "^401$" curl -sS "${mine[@]}" -o /dev/null -w '%{http_code}\n' "$url/v1/users/shop"
stop

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
