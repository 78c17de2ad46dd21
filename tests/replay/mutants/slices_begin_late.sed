# file: workerd/snapshot.c
# Slices leave the first message out.
s/^	snapshot->idx = 0;/	snapshot->idx = 1;/
