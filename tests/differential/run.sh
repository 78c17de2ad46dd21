#!/bin/bash
# COUNT inputs (20,000) from SEED (the clock) through our parser, node's and h11, 100,000 at a time.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
program=$build/differential/differential
count=${COUNT:-20000}
seed=${SEED:-$(date +%s)}
directory=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-differential.XXXXXX")
trap 'rm -rf "$directory"' EXIT

others=()
if command -v node > /dev/null; then
	others+=(llhttp)
else
	echo "skipped llhttp: there is no node (make differential installs it)"
fi
# The one with a python3-h11 may stand behind another in the path.
for python in python3 /usr/bin/python3; do
	"$python" -c 'import h11' 2> /dev/null && break
	python=
done
if [ -n "$python" ]; then
	others+=(h11)
else
	echo "skipped h11: there is no python3-h11 (make differential installs it)"
fi
[ ${#others[@]} != 0 ] || exit 0

echo "seed $seed"
failed=0
while [ "$count" -gt 0 ]; do
	part=$((count < 100000 ? count : 100000))
	"$program" generate "$seed" "$part" > "$directory/inputs" || exit 2
	names=()
	for name in "${others[@]}"; do
		case $name in
		llhttp) node --no-deprecation tests/differential/llhttp.js < "$directory/inputs" > "$directory/$name" || exit 2 ;;
		h11) "$python" tests/differential/h11.py < "$directory/inputs" > "$directory/$name" || exit 2 ;;
		esac
		names+=("$name=$directory/$name")
	done
	"$program" compare "$directory/inputs" "${names[@]}" || failed=1
	count=$((count - part))
	seed=$((seed + 1))
done
exit $failed
