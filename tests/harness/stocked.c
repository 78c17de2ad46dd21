#include "tests/harness/stocked.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/harness/people.h"

#define OTHER_QUEUE "other"

static void
must_be(enum outcome got, enum outcome wanted)
{
	if (got == wanted)
		return;
	fprintf(stderr, "stocked: outcome %d, not %d\n", (int)got, (int)wanted);
	abort();
}

static void
stock_messages(struct engine *engine)
{
	struct delivery got[40];
	uint32_t count;

	must_be(engine_publish(engine, STOCKED_QUEUE, "some body", DELAY_DEFAULT, 30), OUTCOME_OK);
	must_be(engine_publish(engine, STOCKED_QUEUE, "later", 50000, 10), OUTCOME_OK);
	must_be(engine_publish(engine, OTHER_QUEUE, "others", DELAY_DEFAULT, 70), OUTCOME_OK);
	must_be(engine_receive(engine, STOCKED_QUEUE, 20, 60000, got, &count), OUTCOME_OK);
	for (uint32_t i = 0; i < 5; i++)
		must_be(engine_settle(engine, OP_ACK, STOCKED_QUEUE, &got[i], 0, NACK_RELEASE),
		    OUTCOME_OK);
	for (uint32_t i = 5; i < 8; i++)
		must_be(engine_settle(
			    engine, OP_NACK, STOCKED_QUEUE, &got[i], DELAY_DEFAULT, NACK_FAIL),
		    OUTCOME_OK);
	must_be(engine_settle(engine, OP_EXTEND, STOCKED_QUEUE, &got[8], 90000, NACK_RELEASE),
	    OUTCOME_OK);
}

static void
stock_people(struct engine *engine)
{
	uint64_t ann = people_make(engine, "ann", USER_ROLE_ADMIN),
		 bob = people_make(engine, "bob", USER_ROLE_USER);
	uint64_t gone = people_make(engine, "gone", USER_ROLE_USER);
	uint64_t token;

	(void)people_credential_id(engine, ann, CREDENTIAL_TOKEN, "one");
	token = people_credential_id(engine, bob, CREDENTIAL_SESSION, "two");
	(void)people_credential_id(engine, bob, CREDENTIAL_TOKEN, "three");
	must_be(
	    people_grant(engine, OP_GRANT_PUT, STOCKED_QUEUE, ann, RIGHTS_ALL), OUTCOME_CREATED);
	must_be(
	    people_grant(engine, OP_GRANT_PUT, STOCKED_QUEUE, bob, RIGHT_CONSUME), OUTCOME_CREATED);
	must_be(
	    people_grant(engine, OP_GRANT_PUT, OTHER_QUEUE, bob, RIGHT_BROWSE), OUTCOME_CREATED);
	must_be(people_grant(engine, OP_GRANT_DELETE, STOCKED_QUEUE, ann, 0), OUTCOME_OK);
	must_be(people_revoke(engine, token, CREDENTIAL_SESSION), OUTCOME_OK);
	must_be(people_delete(engine, "gone"), OUTCOME_OK);
	(void)gone;
}

struct engine *
stocked_open(const struct engine_options *options)
{
	struct engine *engine = engine_open(options);
	struct queue_config config = queue_config_default();

	config.max_deliveries = 1;
	must_be(engine_put(engine, STOCKED_QUEUE, &config, FIELD_MAX_DELIVERIES), OUTCOME_CREATED);
	must_be(engine_put(engine, OTHER_QUEUE, NULL, 0), OUTCOME_CREATED);
	must_be(engine_put(engine, "gone", NULL, 0), OUTCOME_CREATED);
	must_be(engine_delete(engine, "gone"), OUTCOME_OK);
	stock_messages(engine);
	stock_people(engine);
	return engine;
}

void
stocked_begin_jobs(struct engine *engine)
{
	struct purge_request *purge = engine_frame(engine, 0, OP_PURGE, 1, sizeof(*purge));
	struct queue_request *removal =
	    engine_frame(engine, 0, OP_QUEUE_DELETE, 2, sizeof(*removal));

	purge->queue.name = engine_name(STOCKED_QUEUE);
	purge->states = PURGE_DELAYED;
	removal->name = engine_name(OTHER_QUEUE);
	engine_post(engine, 0);
}
