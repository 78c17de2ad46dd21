# file: workerd/snapshot.c
# The first word that a transaction changes is not looked at.
s/for (uint32_t entry = 0; entry < log->count; entry++)/for (uint32_t entry = 1; entry < log->count; entry++)/
