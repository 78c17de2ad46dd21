#!/bin/bash
# The stepper leaves nothing out: each operation of shm/ops.def has a script of its name and a row of the matrix, each kind of job
# (shm/state/shard.h) is named by the script and the row that bring it about.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0
failed=0

# check WHERE WHAT COMMAND...
check() {
	local where=$1 what=$2
	shift 2
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$where has nothing for $what"
	fi
}

operations=$(sed -n 's/^X([A-Z_]*, \([a-z_]*\),.*/\1/p' shm/ops.def)
jobs=$(sed -n 's/^enum job_kind { JOB_NONE, \(.*\) };/\1/p' shm/state/shard.h | tr -d ,)
if [ -z "$operations" ] || [ -z "$jobs" ]; then
	echo "this script does not understand shm/ops.def or shm/state/shard.h any more"
	failed=1
fi
for name in $operations; do
	check tests/step/scripts "operation $name" grep -q "^X($name)" tests/step/scripts/scripts.def
	check tests/step/matrix/rows.c "operation $name" grep -q "^${name}_row(struct play" tests/step/matrix/rows.c
done
for name in $jobs; do
	check tests/step/scripts "$name" grep -qr "$name" tests/step/scripts --include=*.c
	check tests/step/matrix "$name" grep -qr "$name" tests/step/matrix
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
