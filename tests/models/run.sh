#!/bin/bash
# Checks the models with Spin, each as it is (no error may be found) and with a part left out (an error must be found: else
# the model shows nothing).  Last line: N passed, N failed.
set -u
models=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-models.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check holds|breaks MODEL DEFINE...: exhaustive search; says how many states
check() {
	local expected=$1 model=$2 errors states found
	shift 2
	rm -rf "$work/run"
	mkdir "$work/run"
	if ! (cd "$work/run" && spin -a "$@" "$models/$model.pml" && ${CC:-gcc} -O1 -w -DSAFETY -DNOREDUCE -o pan pan.c &&
		./pan -m1000000 -w22) > "$work/run/log" 2>&1; then
		found=trouble
	fi
	# Spin prints `State-vector 96 byte, depth reached 812, errors: 0`; `max search depth too small` would not be exhaustive.
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/run/log")
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/run/log")
	case ${errors:-none} in
	0) found=holds ;;
	none) found=trouble ;;
	*) found=breaks ;;
	esac
	grep -q 'max search depth too small' "$work/run/log" && found=trouble
	if [ "$found" = "$expected" ]; then
		passed=$((passed + 1))
		printf 'ok    %-6s %-46s %s, %s states\n' "$model" "${*:-as it is}" "$found" "$states"
	else
		failed=$((failed + 1))
		printf 'FAIL  %-6s %-46s %s, expected: %s\n' "$model" "${*:-as it is}" "$found" "$expected"
		tail -n 30 "$work/run/log"
	fi
}

if ! command -v spin > /dev/null; then
	echo "spin is not installed; make deps installs it"
	echo "0 passed, 1 failed"
	exit 1
fi

check holds wake
check holds wake -DCRASHES=2
check holds wake -DCRASHES=1 -DSLEEPER_CRASHES=1
check breaks wake -DWAKER_FENCE=0
check breaks wake -DSLEEPER_FENCE=0
check breaks wake -DSEQUENCE=0
check breaks wake -DCRASHES=1 -DPOKE=0

check holds held
check breaks held -DLOOK=0
check breaks held -DWORKER_FENCE=0
check breaks held -DPERSIST_FENCE=0
check breaks held -DFRONT_FENCE=0

check holds epoch
check breaks epoch -DWAIT=0
check breaks epoch -DDRAIN=0
check breaks epoch -DEARLY=1

check holds fetch
check breaks fetch -DFIRST=0
check breaks fetch -DAGAIN=0
check breaks fetch -DUNASKED=0
check breaks fetch -DTWICE=0

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
