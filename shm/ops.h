/*
 * ops: numbers and names of requests (ops.def) and records (records.def).
 */
#ifndef SHM_OPS_H
#define SHM_OPS_H

enum op {
	OP_NONE,
#define X(name, lower, what) OP_##name,
#include "shm/ops.def"
#undef X
	OP_COUNT
};

enum record_type {
	RECORD_NONE,
#define X(name, value, lower) RECORD_##name = value,
#include "shm/records.def"
#undef X
	RECORD_TYPE_COUNT
};

#endif
