# file: workerd/snapshot.c
# A slot that came into use meanwhile has an image.
s/offset >= (uint64_t)slots->high \* slots->stride_bytes/offset >= (uint64_t)(slots->high + 1) * slots->stride_bytes/
