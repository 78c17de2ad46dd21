# file: workerd/purge.c
# steps: purge
# How far a purge has come: it is advanced before its slice is done.
/uint64_t end = cursor + PURGE_SCAN_MAX/a\
	job->cursor = end;
