#!/bin/bash
# The stepper leaves nothing out: each operation of shm/ops.def has a script of its name, each kind of job (shm/state/shard.h) is
# named by the script that brings it about.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0
failed=0

# check WHAT COMMAND...
check() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "tests/step/scripts has no script for $what"
	fi
}

operations=$(sed -n 's/^X([A-Z_]*, \([a-z_]*\),.*/\1/p' shm/ops.def)
jobs=$(sed -n 's/^enum job_kind { JOB_NONE, \(.*\) };/\1/p' shm/state/shard.h | tr -d ,)
if [ -z "$operations" ] || [ -z "$jobs" ]; then
	echo "this script does not understand shm/ops.def or shm/state/shard.h any more"
	failed=1
fi
for name in $operations; do
	check "operation $name" grep -q "^X($name)" tests/step/scripts/scripts.def
done
for name in $jobs; do
	check "$name" grep -qr "$name" tests/step/scripts --include=*.c
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
