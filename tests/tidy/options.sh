#!/bin/bash
# docs/operations.md shows every option of conf/options.def as `chasqui help options` prints it, and no other.
set -u
table=$(mktemp)
trap 'rm -f "$table"' EXIT

"${BUILD:-build}/bin/chasqui" help options | grep '^| `' > "$table" || exit 1
grep '^| `[a-z]*\.[a-z_]*` |' docs/operations.md | diff - "$table" && exit 0
echo "docs/operations.md: replace its table of options by the output of: chasqui help options"
exit 1
