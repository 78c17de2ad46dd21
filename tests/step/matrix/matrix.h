/*
 * matrix: every operation in every state of the tables that matters.  A row is something that happens to a shard: an
 * operation of shm/ops.def, or of happenings.def what time, frontds and starts do to it.  A column is a state of states.def.
 * Of the jobs, the rows purge (JOB_PURGE), queue_delete (JOB_DELETE), front_dies (JOB_CLOSE_FRONT) and cold (JOB_END_LEASES)
 * bring them about.  A cell is a script: the column sets the stage, unstepped, and says how it knows that it stands; the row
 * happens, stepped.
 */
#ifndef TESTS_STEP_MATRIX_H
#define TESTS_STEP_MATRIX_H

#include "tests/step/core/play.h"

enum matrix_row {
#define X(NAME, name, what) ROW_##name,
#include "shm/ops.def"
#undef X
#define X(name, what) ROW_##name,
#include "tests/step/matrix/happenings.def"
#undef X
	ROW_COUNT
};

enum matrix_column {
#define X(name, what) COLUMN_##name,
#include "tests/step/matrix/states.def"
#undef X
	COLUMN_COUNT
};

extern const char *const matrix_row_names[ROW_COUNT];
extern const char *const matrix_column_names[COLUMN_COUNT];

/* What a stage holds. */
struct scene {
	struct play *play;
	enum matrix_column column;
	uint64_t leased;         /* the receive that was given what is leased; 0: nothing is */
	uint64_t waiting;        /* a receive that waits in slot 0 of front 0; 0: none */
	struct play_receipts receipts; /* of what is leased, or strangers */
	bool has_front_died;
};

void stage_set(struct scene *scene);

/* What held the row up is taken away, and all comes to an end. */
void stage_clear(struct scene *scene);

struct script matrix_cell(enum matrix_row row, enum matrix_column column);

#endif
