#!/bin/bash
# The stepper over the same engine by other compilers: gcc -O2, gcc -O3, clang -O2, without the one that the build itself is.  The
# whole matrix, the scripts, and mixtures until so many crash states were tried.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
states=${STEP_STATES:-260000}
passed=0
failed=0

if [ -n "${SAN:-}" ]; then
	echo "nothing is stepped in a sanitizer's build"
	exit 0
fi
seed=0
for engine in gcc-O2 gcc-O3 clang-O2; do
	seed=$((seed + 1000000))
	[ "$engine" != "${CC:-gcc}-O2" ] || continue
	if said=$(STEP_SEED=$seed "${BUILD:-build}/engines/$engine/stepper" -m "$states"); then
		passed=$((passed + 1))
		tail -n 2 <<< "$said" | head -n 1
	else
		failed=$((failed + 1))
		echo "FAIL  $engine"
		grep -A 4 '^FAIL' <<< "$said"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
