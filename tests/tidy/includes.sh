#!/bin/bash
# includes.sh - who may include whom.  Includes are written from the root, so an include names its folder and grep is the
# whole dependency checker.  Each rule: files, a pattern of includes they must not have, and why.
set -u
cd "$(dirname "$0")/../.."
passed=0 failed=0

never() { # WHY PATTERN FILE...
	local why=$1 pattern=$2 found
	shift 2
	found=$(grep -nE "$pattern" "$@" /dev/null)
	if [ -z "$found" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '%s:\n%s\n' "$why" "$found"
	fi
}
inc='^#include ["<]'
ground=$(ls shm/*.[ch] shm/sandbox/*.[ch] | grep -v '^shm/shard_region\.')
front=$(ls frontd/*.[ch] frontd/people/*.[ch] frontd/tls/*.[ch])
code=$(git ls-files '*.c' '*.h' 2>/dev/null | grep -v '^tests/' || find shm conf frontd workerd persistd cli -name '*.[ch]')

never 'shm knows no daemon, no configuration and not what a shard holds' "$inc(conf|frontd|workerd|persistd|cli|shm/state)/" $ground
never 'state does not look around itself' "$inc(shm/(clock|diag)\.h|conf|frontd|workerd|persistd|cli)" shm/state/*.[ch]
never 'configuration hands values over and knows nobody' "$inc(shm|frontd|workerd|persistd|cli)/" conf/*.[ch]
never 'the HTTP parser knows only itself' "$inc(shm|conf|workerd|persistd|cli|jansson|liburing|frontd/([^h]|h[^t]))" frontd/http/*.[ch]
never 'the API has no sockets and no rings' "$inc(liburing|sys/socket|netinet|shm/ring\.h|shm/state|workerd|persistd|cli|conf)" frontd/api/*.[ch] frontd/api/people/*.[ch]
never 'what reads strangers is ours: JSON is read by frontd/api/scan' "${inc}jansson" frontd/*.[ch] frontd/*/*.[ch] frontd/*/*/*.[ch]
never 'a hasher knows its jobs and nobody' "$inc(conf|frontd/([^h]|h[^a])|workerd|persistd|cli|liburing|openssl|sys/socket|shm/(state|front|stream|directory|registry|durable))" frontd/hasher/*.[ch]
never 'frontd cannot reach queue state' "$inc(shm/(state|txn\.h)|frontd/hasher|workerd|persistd|cli)" $front
never 'a worker has no sockets and no disk' "$inc(liburing|sys/socket|netinet|frontd|persistd|cli)" workerd/*.[ch]
never 'persistd knows records, not queues' "$inc(shm/state|frontd|workerd|cli)" persistd/*.[ch] persistd/backup/*.[ch]
never 'traffic is a client: it knows no server' "$inc(shm/state|conf|frontd|workerd|persistd|cli/[a-su-z]|jansson|curl)" cli/traffic/*.[ch]
never 'the command line runs the daemons and does not contain them' "$inc(shm/state|frontd|workerd|persistd)" cli/*.[ch] cli/supervisor/*.[ch]
never 'memory order is known in one place' '__atomic_|stdatomic\.h' $(echo "$code" | grep -v '^shm/atomic.h$')
never 'io_uring is known in two places' "${inc}liburing" $(echo "$code" | grep -vE '^(frontd/uring|persistd/disk|bench/)')
never 'what applies a record asks no clock and no chance' '\b(now_ns|clock_ms|rand|random|getrandom)\(' workerd/apply.c
never 'history is the job of git' 'TODO|FIXME|XXX|#if 0' $code
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
