#!/bin/bash
# operations.sh - each request of shm/ops.def and each record of shm/records.def has its row in docs/architecture.md.
set -u
cd "$(dirname "$0")/../.."
passed=0 failed=0
for name in $(sed -n 's/^X(\([A-Z_]*\),.*/\1/p' shm/ops.def shm/records.def); do
	if grep -q "^|.*\`$name\`" docs/architecture.md; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "docs/architecture.md has no row for $name"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
