/*
 * attributes: what is stored of a message beside its body: Content-Type, Content-Encoding, traceparent, tracestate, ce-*,
 * Mq-Attr-* and the like, given back byte-exact.  A list of {u8 name_bytes, u16 value_bytes (little-endian), name, value}
 * without padding; names as they are given back.  Workers never look inside.
 */
#ifndef SHM_ATTRIBUTES_H
#define SHM_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Append one.  False if it does not fit into capacity or is too long to be stored. */
bool attributes_add(char *bytes, uint32_t *used_bytes, uint32_t capacity, const char *name, size_t name_bytes,
    const char *value, size_t value_bytes);

struct attribute {
	const char *name;
	const char *value;
	uint32_t name_bytes;
	uint32_t value_bytes;
};

/*
 * Walk: start with *position = 0.  True and the next one, borrowed from `bytes`; false at the end, or where the bytes are
 * not a list (then *position != total_bytes).
 */
bool attributes_next(const char *bytes, uint32_t total_bytes, uint32_t *position, struct attribute *attribute);

#endif
