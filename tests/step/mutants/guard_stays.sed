# file: workerd/guard.h
# steps: publish
# A request that was executed is still named as being executed.
/^guard_end/,/^}/s/store_relaxed(\(.*\), 0);/(void)\1;/
