#!/bin/bash
# A test of the stepper: each mutant (mutants/*.sed, built by `make tests`) is an engine with one fault that only a crash at the
# right instruction shows; the stepper has to find it, by the scripts that the mutant names.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0
failed=0

if [ -n "${SAN:-}" ]; then
	echo "nothing is stepped in a sanitizer's build"
	exit 0
fi
for file in tests/step/mutants/*.sed; do
	name=$(basename "$file" .sed)
	# shellcheck disable=SC2046 # several scripts
	said=$("${BUILD:-build}/mutants/$name/stepper" -1 $(sed -n 's/^# steps: //p' "$file") 2>&1)
	code=$?
	# Caught: a script failed, for a reason that it gives.  What is wrong without any crash needs no stepper.
	if [ $code = 1 ] && grep -q '^FAIL' <<< "$said" && ! grep -q -e natively <<< "$said"; then
		passed=$((passed + 1))
		echo "caught  $name"
		grep -A 2 -m 1 '^FAIL' <<< "$said" | sed '1d; s/^/  /'
	else
		failed=$((failed + 1))
		echo "MISSED  $name (exit code $code)"
		tail -n 20 <<< "$said"
	fi
done
echo "$passed mutants of $((passed + failed)) caught"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
