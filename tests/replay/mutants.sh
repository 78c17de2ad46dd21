#!/bin/bash
# A test of the test: each mutant (mutants/*.sed, built by `make tests`) writes or loads snapshots with one fault; the replay of
# random histories has to find it.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0
failed=0

for file in tests/replay/mutants/*.sed; do
	name=$(basename "$file" .sed)
	said=$(CHASQUI_SEED=1 timeout 120 "${BUILD:-build}/mutants/replay_$name" 2>&1)
	code=$?
	if [ $code != 0 ] && [ $code != 124 ] && grep -q 'a_replayed_shard_is_the_live_one' <<< "$said"; then
		passed=$((passed + 1))
		echo "caught  $name"
	else
		failed=$((failed + 1))
		echo "MISSED  $name (exit code $code)"
		tail -n 20 <<< "$said"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
