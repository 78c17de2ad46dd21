/*
 * rows: what happens in each cell.  A row that an operation of shm/ops.def does not have is missing when this is linked.
 */
#include <string.h>

#include "tests/step/core/people.h"
#include "tests/step/matrix/matrix.h"

typedef void (*row_function)(struct play *play, const struct scene *scene);

#define X(NAME, name, what) static void name##_row(struct play *play, const struct scene *scene);
#include "shm/ops.def"
#undef X
#define X(name, what) static void name##_row(struct play *play, const struct scene *scene);
#include "tests/step/matrix/happenings.def"
#undef X

static const row_function rows[ROW_COUNT] = {
#define X(NAME, name, what) name##_row,
#include "shm/ops.def"
#undef X
#define X(name, what) name##_row,
#include "tests/step/matrix/happenings.def"
#undef X
};

const char *const matrix_row_names[ROW_COUNT] = {
#define X(NAME, name, what) #name,
#include "shm/ops.def"
#undef X
#define X(name, what) #name,
#include "tests/step/matrix/happenings.def"
#undef X
};

const char *const matrix_column_names[COLUMN_COUNT] = {
#define X(name, what) #name,
#include "tests/step/matrix/states.def"
#undef X
};

/* --- operations --- */

static void
queue_put_row(struct play *play, const struct scene *scene)
{
	struct queue_config config = queue_config_default();

	(void)scene;
	config.lease_ms = 31000;
	config.backoff_jitter_ppm = 0;
	play_queue_put(play, "orders", &config);
	play_run(play);
}

static void
queue_patch_row(struct play *play, const struct scene *scene)
{
	struct queue_config config = { .max_in_flight = 3, .delay_ms = 12 };

	(void)scene;
	play_queue_patch(play, "orders", &config, FIELD_MAX_IN_FLIGHT | FIELD_DELAY);
	play_run(play);
}

static void
queue_get_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_queue_get(play, "orders");
	play_run(play);
}

static void
queue_list_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_queue_list(play, 0, 6, "o");
	play_run(play);
}

static void
queue_delete_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_queue_delete(play, "orders");
	play_run(play);
}

/* --- people: those whom a row needs are made in it --- */

static void
user_put_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_user_make(play, "bob", USER_ROLE_ADMIN);
	play_run(play);
}

static void
user_patch_row(struct play *play, const struct scene *scene)
{
	struct user_config config = { .quotas.queues = 5 };

	(void)scene;
	play_user_make(play, "bob", USER_ROLE_USER);
	play_user(play, OP_USER_PATCH, "bob", &config, USER_FIELD_QUEUES);
	play_run(play);
}

static void
user_delete_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_user_make(play, "bob", USER_ROLE_USER);
	play_user_delete(play, "bob");
	play_run(play);
}

/* The first user that is made, with a token. */
static void
with_token(struct play *play)
{
	play_user_make(play, "bob", USER_ROLE_USER);
	play_credential(play, USER_UID(1, 0), CREDENTIAL_TOKEN, 't', 0);
}

static void
credential_create_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	with_token(play);
	play_run(play);
}

static void
credential_revoke_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	with_token(play);
	play_revoke(play, CREDENTIAL_ID(1, 0), CREDENTIAL_TOKEN);
	play_run(play);
}

static void
credential_revoke_all_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	with_token(play);
	play_revoke_all(play, USER_UID(1, 0), CREDENTIAL_TOKEN);
	play_run(play);
}

static void
credential_touch_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	with_token(play);
	play_run(play);
	play_advance(play, 1);
	play_touch(play, CREDENTIAL_ID(1, 0));
	play_run(play);
}

static void
grant_put_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_grant(play, OP_GRANT_PUT, "orders", USER_UID(1, 0), RIGHT_PUBLISH);
	play_run(play);
}

static void
grant_delete_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_grant(play, OP_GRANT_PUT, "orders", USER_UID(1, 0), RIGHT_PUBLISH);
	play_grant(play, OP_GRANT_DELETE, "orders", USER_UID(1, 0), 0);
	play_run(play);
}

static void
grant_list_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_grant(play, OP_GRANT_PUT, "orders", USER_UID(1, 0), RIGHT_PUBLISH);
	play_grant_list(play, "orders");
	play_run(play);
}

/* --- messages --- */

static void
publish_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_publish(play, "orders", 1, 0);
	play_run(play);
}

static void
receive_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 20000 });
	play_run(play);
}

static void
receive_cancel_row(struct play *play, const struct scene *scene)
{
	play_receive_cancel(play, scene->waiting, 0);
	play_run(play);
}

static void
settle_row(struct play *play, const struct scene *scene, enum op op, uint32_t count, struct play_settle how)
{
	struct play_receipts receipts = scene->receipts;

	if (receipts.count > count)
		receipts.count = count;
	play_settle(play, op, "orders", &receipts, how);
	play_run(play);
}

static void
ack_row(struct play *play, const struct scene *scene)
{
	settle_row(play, scene, OP_ACK, 1, (struct play_settle){ 0 });
}

static void
extend_row(struct play *play, const struct scene *scene)
{
	settle_row(play, scene, OP_EXTEND, 1, (struct play_settle){ .lease_ms = 45000 });
}

static void
nack_row(struct play *play, const struct scene *scene)
{
	settle_row(play, scene, OP_NACK, 1, (struct play_settle){ 0 });
}

static void
purge_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_purge(play, "orders", PURGE_READY | PURGE_DELAYED | PURGE_LEASED | PURGE_DEAD);
	play_run(play);
}

/* --- more of the same --- */

static void
queue_new_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_queue_put(play, "new", NULL);
	play_run(play);
}

static void
publish_many_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_publish(play, "orders", 6, 0);
	play_publish(play, "orders", 2, 1500);
	play_run(play);
}

static void
publish_delayed_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_publish(play, "orders", 1, 4);
	play_run(play);
}

static void
receive_many_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_receive(play, "orders", (struct play_receive){ .max = RECEIVE_BATCH_MAX, .lease_ms = 20000 });
	play_run(play);
}

static void
receive_waits_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_receive(play, "orders",
	    (struct play_receive){ .max = 1, .lease_ms = 20000, .wait_ms = 5000, .waiter_slot = 1 });
	play_run(play);
}

static void
ack_many_row(struct play *play, const struct scene *scene)
{
	struct play_receipts receipts = scene->receipts;

	receipts.items[receipts.count] = receipts.items[0];
	receipts.count++;
	play_ack(play, "orders", &receipts);
	play_run(play);
}

static void
extend_many_row(struct play *play, const struct scene *scene)
{
	settle_row(play, scene, OP_EXTEND, RECEIVE_BATCH_MAX, (struct play_settle){ .lease_ms = 45000 });
}

static void
nack_fail_row(struct play *play, const struct scene *scene)
{
	settle_row(play, scene, OP_NACK, RECEIVE_BATCH_MAX,
	    (struct play_settle){ .lease_ms = DELAY_DEFAULT, .mode = NACK_FAIL });
}

/* --- time --- */

static void
tick_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_advance(play, 4);
	play_run(play);
	play_advance(play, 4);
	play_run(play);
}

static void
time_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_advance(play, 70000);
	play_run(play);
}

/* --- processes --- */

static void
front_dies_row(struct play *play, const struct scene *scene)
{
	/* It posted, and died before anybody looked: that is done, whom it had waiting is dropped. */
	(void)scene;
	play_publish(play, "orders", 1, 0);
	play_front_dies(play, 0);
	play_run(play);
}

static void
front_returns_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play->is_quiet = true;
	play_front_dies(play, 1);
	play_run(play);
	play->is_quiet = false;
	play_front_returns(play, 1);
	play->front = 1;
	play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 20000 });
	play->front = 0;
	play_run(play);
}

static void
front_lies_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play->front = 1;
	play_lie(play);
	play->front = 0;
	play_run(play);
}

static void
snapshot_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_snapshot(play);
	play_run(play);
}

static void
snapshot_beside_row(struct play *play, const struct scene *scene)
{
	struct play_receipts first = scene->receipts, second = scene->receipts;

	first.count = 1;
	second.count = 1;
	second.items[0] = scene->receipts.items[scene->receipts.count - 1];
	/* It is begun at the end of the turn that these fill, and ends in the next: behind what comes then. */
	play_snapshot(play);
	for (unsigned i = 0; i < TURN_FRAMES_MAX; i++)
		play_receive_cancel(play, 1u << 30, 0);
	play_ack(play, "orders", &first);
	play_settle(play, OP_NACK, "orders", &second, (struct play_settle){ .lease_ms = 700 });
	play_publish(play, "orders", 1, 0);
	play_run(play);
	play_advance(play, 30000);
	play_run(play);
}

static void
restart_row(struct play *play, const struct scene *scene)
{
	/* It died between two turns, with a request posted. */
	(void)scene;
	play_publish(play, "orders", 1, 0);
	play_restart(play);
}

static void
cold_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_cold_start(play, false);
}

static void
cold_clean_row(struct play *play, const struct scene *scene)
{
	(void)scene;
	play_cold_start(play, true);
}

/* --- cells --- */

static void
cell_perform(struct play *play)
{
	struct scene scene = { .play = play, .column = (enum matrix_column)play->script->column };

	stage_set(&scene);
	rows[play->script->row](play, &scene);
	stage_clear(&scene);
}

/* A tick before the wheel's level moves on, and not the one above it. */
static uint64_t
start_before(unsigned level)
{
	uint64_t tick = (PLAY_START_MS / WHEEL_TICK_MS >> 8 * level | 1) << 8 * level;

	return (tick - 1) * WHEEL_TICK_MS;
}

struct script
matrix_cell(enum matrix_row row, enum matrix_column column)
{
	struct script cell = { .name = matrix_row_names[row], .perform = cell_perform, .row = row, .column = column };
	/* What comes after a crash has lost the snapshot. */
	cell.is_not_resumed = row == ROW_snapshot || row == ROW_snapshot_beside;
	bool is_cold = row == ROW_cold || row == ROW_cold_clean;

	if (column >= COLUMN_wheel_1 && column <= COLUMN_wheel_4)
		cell.start_ms = start_before(column - COLUMN_wheel_1 + 1);
	if (column >= COLUMN_stream_before && column <= COLUMN_stream_over)
		cell.first_lsn = WORLD_STREAM_BYTES - 32768;
	/* The stream ring stands for the journal and does not hold all of it any more. */
	if (is_cold && column == COLUMN_stream_full)
		cell.perform = NULL;
	return cell;
}
