/*
 * Happy path: folk_begin() makes all users and queues and the threads; a keeper's turn changes one thing of one of his users, a
 * prober's turn uses one credential; folk_end() joins them.
 *
 * Failure modes: no answer: the change is HEARD_NOTHING, and where it was one of a whole user (a password, disabled, removed)
 * the keeper leaves this user alone until it cannot come any more, so that what he gives next is not taken away by it.
 */
#include "tests/harness/folk.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontd/http/text.h"
#include "shm/atomic.h"
#include "tests/harness/wire.h"

enum {
	USERS_EACH = 6,
	USERS = KEEPERS * USERS_EACH,
	HALLS = 3,                      /* queues, the admin's: others need rights */
	PASSES = 1024,                  /* credentials that probers try */
	OWN_MAX = 4,                    /* of a user, of each kind */
	SECRET_BYTES = 64,
	ANSWER_MS = 15000,
	LATE_US = 5000000,              /* the longest stop of a worker (chaos.h), a start, and what a busy machine adds */
	EVERYWHERE_US = 1000000,        /* until then an end is known everywhere (docs/api.md) */
	PAUSE_US = 3000,
	KEEPER_PAUSE_US = 5000         /* probers have to get round */
};

enum right { RIGHT_PUBLISH, RIGHT_CONSUME, HALL_RIGHTS };
enum pass_kind { PASS_TOKEN, PASS_SESSION, PASS_PASSWORD };

/* A credential.  Once in the table it does not change, but for being overwritten by a newer one, under the lock. */
struct pass {
	enum pass_kind kind;
	uint32_t fact;                  /* 0: none */
	unsigned user;
	char secret[SECRET_BYTES];
	char id[24];
	bool can[HALLS][HALL_RIGHTS];   /* within its scopes */
};

/* Written by its keeper alone. */
struct person {
	char name[32];
	uint32_t fact;                  /* may come in */
	uint32_t rights[HALLS][HALL_RIGHTS];
	struct pass password;
	struct pass tokens[OWN_MAX], sessions[OWN_MAX]; /* fact 0: free */
	unsigned version;
	bool is_disabled;
	uint64_t murky_until_us;
};

struct actor {
	struct folk *folk;
	pthread_t thread;
	unsigned number;
	uint64_t random;
	struct wire wire;
	char request[2048];
	uint64_t begin_us, end_us;
	struct folk_counts counts;
};

struct folk {
	uint64_t seed;
	uint32_t port;                  /* written by folk_set_port(), read by all */
	uint32_t is_over;
	char admin[SECRET_BYTES + 16];  /* what stands behind Authorization: */
	char halls[HALLS][32];
	struct rights *rights;
	pthread_mutex_t lock;           /* passes */
	uint64_t pass_count;
	struct pass passes[PASSES];
	struct person people[USERS];
	struct actor actors[FOLK_CLIENTS];
};

static const char *const right_names[HALL_RIGHTS] = { "publish", "consume" };

/* splitmix64, Sebastiano Vigna, public domain. */
static uint64_t
chance(struct actor *actor, uint64_t below)
{
	uint64_t z = actor->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

static void
pause_us(unsigned us)
{
	const struct timespec pause = { .tv_nsec = (long)us * 1000 };

	nanosleep(&pause, NULL);
}

static bool
is_over(const struct actor *actor)
{
	return load_relaxed(&actor->folk->is_over) != 0;
}

/* --- requests --- */

/* What goes behind `Authorization: `. */
static void
authorization(const struct folk *folk, const struct pass *pass, char text[200])
{
	char plain[128], coded[180];
	size_t n;

	if (pass->kind != PASS_PASSWORD) {
		snprintf(text, 200, "Bearer %s", pass->secret);
		return;
	}
	n = (size_t)snprintf(plain, sizeof(plain), "%s:%s", folk->people[pass->user].name, pass->secret);
	n = text_base64_encode((struct http_slice){ plain, n }, (struct http_span){ coded, sizeof(coded) - 1 });
	snprintf(text, 200, "Basic %.*s", (int)n, coded);
}

static void
note_strange(struct actor *actor)
{
	const struct response *answer = &actor->wire.answer;

	if (actor->counts.strange[0] == '\0')
		snprintf(actor->counts.strange, sizeof(actor->counts.strange), "%.60s was answered %u %.150s", actor->request,
		    answer->status, answer->body);
}

/* Ask; the status, 0: no answer. */
static unsigned
ask(struct actor *actor, const char *who, const char *json, const char *line)
{
	int n = snprintf(actor->request, sizeof(actor->request), "%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n"
	    "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", line, who,
	    json[0] == '{' ? "application/json" : "text/plain", strlen(json), json);
	enum wire_end end = WIRE_BROKE;

	assert(n > 0 && (size_t)n < sizeof(actor->request));
	while (!wire_open(&actor->wire, (uint16_t)load_relaxed(&actor->folk->port)))
		pause_us(PAUSE_US);
	actor->begin_us = clock_us();
	end = wire_ask(&actor->wire, actor->request, (size_t)n, ANSWER_MS);
	actor->end_us = clock_us();
	actor->counts.silent += end == WIRE_SILENT;
	return end == WIRE_ANSWERED ? actor->wire.answer.status : 0;
}

/* --- changes --- */

/* What is known of a change after its answer: a 5xx or none may have changed it all the same. */
static enum history_outcome
changed(struct actor *actor, unsigned status)
{
	actor->counts.changes++;
	if (status / 100 == 2)
		return HEARD_OK;
	/* 404: what is to be revoked went with a change that nobody heard of. */
	if (status != 0 && status != 503 && status != 429 && status != 404)
		note_strange(actor);
	if (status / 100 == 4)
		return HEARD_REFUSED;
	actor->counts.unknown++;
	if (status != 0)
		pause_us(PAUSE_US);
	return HEARD_NOTHING;
}

static void
note_change(struct actor *actor, enum rights_op op, uint32_t fact, enum history_outcome outcome, const char *what)
{
	struct rights_event event = { .begin_us = actor->begin_us, .end_us = actor->end_us, .needs = { fact },
		.need_count = 1, .op = (uint8_t)op, .outcome = (uint8_t)outcome, .status = (uint16_t)actor->wire.answer.status };

	if (fact == 0)
		return;
	snprintf(event.what, sizeof(event.what), "%s", what);
	rights_add(actor->folk->rights, actor->number, &event);
}

/* As admin. */
static enum history_outcome __attribute__((format(printf, 3, 4)))
order(struct actor *actor, const char *json, const char *line, ...)
{
	va_list arguments;
	char text[200];

	va_start(arguments, line);
	vsnprintf(text, sizeof(text), line, arguments);
	va_end(arguments);
	return changed(actor, ask(actor, actor->folk->admin, json, text));
}

static void
show(struct folk *folk, const struct pass *pass)
{
	pthread_mutex_lock(&folk->lock);
	folk->passes[folk->pass_count++ % PASSES] = *pass;
	pthread_mutex_unlock(&folk->lock);
}

static void
sessions_end(struct actor *actor, struct person *person, enum history_outcome outcome, const char *why)
{
	for (unsigned i = 0; i < OWN_MAX; i++) {
		note_change(actor, RIGHTS_TOOK, person->sessions[i].fact, outcome, why);
		if (outcome == HEARD_OK)
			person->sessions[i].fact = 0;
	}
}

/* It may come late: what is given to this user meanwhile would not be safe from it. */
static void
leave_alone(struct person *person, enum history_outcome outcome)
{
	if (outcome == HEARD_NOTHING)
		person->murky_until_us = clock_us() + LATE_US + LATE_US / 10;
}

static struct pass *
free_place(struct pass places[OWN_MAX])
{
	for (unsigned i = 0; i < OWN_MAX; i++) {
		if (places[i].fact == 0)
			return &places[i];
	}
	return NULL;
}

/* Id and secret of what was made, from the answer. */
static bool
take_made(struct actor *actor, struct pass *pass)
{
	const char *id = json_string_value(response_member(&actor->wire.answer, "id"));
	const char *secret = json_string_value(response_member(&actor->wire.answer, "token"));

	if (id == NULL || secret == NULL || strlen(secret) >= SECRET_BYTES || strlen(id) >= sizeof(pass->id)) {
		note_strange(actor);
		return false;
	}
	snprintf(pass->id, sizeof(pass->id), "%s", id);
	snprintf(pass->secret, sizeof(pass->secret), "%s", secret);
	pass->fact = rights_fact(actor->folk->rights, FACT_CREDENTIAL);
	return true;
}

static void
make_token(struct actor *actor, unsigned user)
{
	struct folk *folk = actor->folk;
	struct person *person = &folk->people[user];
	struct pass *place = free_place(person->tokens), pass = { .kind = PASS_TOKEN, .user = user };
	unsigned hall = (unsigned)chance(actor, HALLS), right = (unsigned)chance(actor, HALL_RIGHTS);
	bool is_narrow = chance(actor, 2) == 0;
	char json[240];

	if (place == NULL || person->is_disabled)
		return;
	for (unsigned i = 0; i < HALLS * HALL_RIGHTS; i++)
		pass.can[i / HALL_RIGHTS][i % HALL_RIGHTS] = !is_narrow || i == hall * HALL_RIGHTS + right;
	if (is_narrow)
		snprintf(json, sizeof(json), "{\"name\":\"t\",\"user\":\"%s\",\"scopes\":[\"%s:%s\"]}", person->name,
		    right_names[right], folk->halls[hall]);
	else
		snprintf(json, sizeof(json), "{\"name\":\"t\",\"user\":\"%s\"}", person->name);
	if (order(actor, json, "POST /v1/tokens") != HEARD_OK || !take_made(actor, &pass))
		return; /* if it is there, nobody knows it */
	note_change(actor, RIGHTS_GAVE, pass.fact, HEARD_OK, is_narrow ? "narrow token" : "token");
	*place = pass;
	show(folk, &pass);
}

static void
begin_session(struct actor *actor, unsigned user)
{
	struct person *person = &actor->folk->people[user];
	struct pass *place = free_place(person->sessions), pass = { .kind = PASS_SESSION, .user = user };
	char who[200];

	if (place == NULL || person->is_disabled)
		return;
	memset(pass.can, 1, sizeof(pass.can));
	authorization(actor->folk, &person->password, who);
	if (changed(actor, ask(actor, who, "", "POST /v1/sessions")) != HEARD_OK || !take_made(actor, &pass))
		return;
	note_change(actor, RIGHTS_GAVE, pass.fact, HEARD_OK, "session");
	*place = pass;
	show(actor->folk, &pass);
}

/* One token or one session. */
static void
revoke(struct actor *actor, struct pass places[OWN_MAX], const char *kind)
{
	struct pass *pass = &places[chance(actor, OWN_MAX)];
	enum history_outcome outcome;

	if (pass->fact == 0)
		return;
	outcome = order(actor, "", "DELETE /v1/%s/%s", kind, pass->id);
	note_change(actor, RIGHTS_TOOK, pass->fact, outcome, "revoke");
	pass->fact = 0; /* if nobody heard, it is left to the probers as it is */
}

static void
end_all_sessions(struct actor *actor, struct person *person)
{
	enum history_outcome outcome = order(actor, "", "DELETE /v1/sessions?user=%s", person->name);

	sessions_end(actor, person, outcome, "all sessions end");
	leave_alone(person, outcome);
}

static void
change_password(struct actor *actor, unsigned user)
{
	struct person *person = &actor->folk->people[user];
	struct pass old = person->password, pass = { .kind = PASS_PASSWORD, .user = user };
	enum history_outcome outcome;
	char json[200], who[200];

	memset(pass.can, 1, sizeof(pass.can));
	pass.fact = rights_fact(actor->folk->rights, FACT_CREDENTIAL);
	snprintf(pass.secret, sizeof(pass.secret), "%s-%u-word", person->name, ++person->version);
	if (chance(actor, 2) == 0 && !person->is_disabled) {
		authorization(actor->folk, &old, who);
		snprintf(json, sizeof(json), "{\"current_password\":\"%s\",\"password\":\"%s\"}", old.secret, pass.secret);
		outcome = changed(actor, ask(actor, who, json, "PATCH /v1/users/me"));
	} else {
		snprintf(json, sizeof(json), "{\"password\":\"%s\"}", pass.secret);
		outcome = order(actor, json, "PATCH /v1/users/%s", person->name);
	}
	note_change(actor, RIGHTS_TOOK, old.fact, outcome, "new password");
	note_change(actor, RIGHTS_GAVE, pass.fact, outcome, "password");
	sessions_end(actor, person, outcome, "new password");
	leave_alone(person, outcome);
	if (outcome == HEARD_OK)
		person->password = pass;
	if (outcome != HEARD_REFUSED)
		show(actor->folk, &pass);
}

/* After a change that nobody heard the password is one of two: a new one, from the admin. */
static void
settle_password(struct actor *actor, unsigned user)
{
	struct person *person = &actor->folk->people[user];
	struct pass pass = { .kind = PASS_PASSWORD, .user = user };
	enum history_outcome outcome;
	char json[100];

	memset(pass.can, 1, sizeof(pass.can));
	pass.fact = rights_fact(actor->folk->rights, FACT_CREDENTIAL);
	snprintf(pass.secret, sizeof(pass.secret), "%s-%u-word", person->name, ++person->version);
	snprintf(json, sizeof(json), "{\"password\":\"%s\",\"disabled\":false}", pass.secret);
	outcome = order(actor, json, "PUT /v1/users/%s", person->name);
	note_change(actor, RIGHTS_TOOK, person->password.fact, outcome, "settled");
	note_change(actor, RIGHTS_GAVE, pass.fact, outcome, "password");
	note_change(actor, RIGHTS_GAVE, person->fact, outcome, "settled");
	sessions_end(actor, person, outcome, "settled");
	leave_alone(person, outcome);
	if (outcome != HEARD_OK)
		return;
	person->password = pass;
	person->is_disabled = false;
	person->murky_until_us = 0;
	show(actor->folk, &pass);
}

static void
disable_or_enable(struct actor *actor, struct person *person)
{
	bool disables = !person->is_disabled;
	enum history_outcome outcome = order(actor, disables ? "{\"disabled\":true}" : "{\"disabled\":false}",
	    "PATCH /v1/users/%s", person->name);

	note_change(actor, disables ? RIGHTS_TOOK : RIGHTS_GAVE, person->fact, outcome, disables ? "disable" : "enable");
	if (disables)
		sessions_end(actor, person, outcome, "disable");
	leave_alone(person, outcome);
	if (outcome == HEARD_OK)
		person->is_disabled = disables;
}

/* All that he had is gone with him, also for who is called so after him. */
static void
remove_user(struct actor *actor, unsigned user)
{
	struct person *person = &actor->folk->people[user];
	enum history_outcome outcome = order(actor, "", "DELETE /v1/users/%s", person->name);

	for (unsigned i = 0; i < OWN_MAX; i++) {
		note_change(actor, RIGHTS_TOOK, person->tokens[i].fact, outcome, "remove user");
		if (outcome == HEARD_OK)
			person->tokens[i].fact = 0;
	}
	/* Whom a credential of his lets in has his rights, and it may for a second. */
	actor->end_us += EVERYWHERE_US;
	for (unsigned i = 0; i < HALLS * HALL_RIGHTS; i++)
		note_change(actor, RIGHTS_TOOK, person->rights[i / HALL_RIGHTS][i % HALL_RIGHTS], outcome, "remove user");
	actor->end_us -= EVERYWHERE_US;
	note_change(actor, RIGHTS_TOOK, person->password.fact, outcome, "remove user");
	note_change(actor, RIGHTS_TOOK, person->fact, outcome, "remove user");
	sessions_end(actor, person, outcome, "remove user");
	leave_alone(person, outcome);
	if (outcome == HEARD_OK)
		settle_password(actor, user);
}

/* These rights and no others. */
static void
grant(struct actor *actor, struct person *person, unsigned hall, unsigned rights)
{
	const char *name = actor->folk->halls[hall];
	enum history_outcome outcome;
	char json[80];

	if (rights == 0)
		outcome = order(actor, "", "DELETE /v1/queues/%s/grants/%s", name, person->name);
	else {
		snprintf(json, sizeof(json), "{\"rights\":[%s%s%s]}", (rights & 1) != 0 ? "\"publish\"" : "",
		    rights == 3 ? "," : "", (rights & 2) != 0 ? "\"consume\"" : "");
		outcome = order(actor, json, "PUT /v1/queues/%s/grants/%s", name, person->name);
	}
	for (unsigned i = 0; i < HALL_RIGHTS; i++)
		note_change(actor, (rights >> i & 1) != 0 ? RIGHTS_GAVE : RIGHTS_TOOK, person->rights[hall][i], outcome,
		    rights == 0 ? "no grant" : "grant");
}

static void
keeper_turn(struct actor *actor)
{
	unsigned user = actor->number * USERS_EACH + (unsigned)chance(actor, USERS_EACH);
	struct person *person = &actor->folk->people[user];
	uint64_t what = chance(actor, 100);

	pause_us((unsigned)chance(actor, 2 * KEEPER_PAUSE_US));
	if (person->murky_until_us > clock_us())
		return;
	if (person->murky_until_us != 0)
		settle_password(actor, user);
	else if (what < 30)
		make_token(actor, user);
	else if (what < 42)
		revoke(actor, person->tokens, "tokens");
	else if (what < 70)
		grant(actor, person, (unsigned)chance(actor, HALLS), (unsigned)chance(actor, 1 << HALL_RIGHTS));
	else if (what < 82)
		begin_session(actor, user);
	else if (what < 88)
		revoke(actor, person->sessions, "sessions");
	else if (what < 90)
		end_all_sessions(actor, person);
	else if (what < 94)
		change_password(actor, user);
	else if (what < 98)
		disable_or_enable(actor, person);
	else
		remove_user(actor, user);
}

/* --- uses --- */

static enum history_outcome
used(struct actor *actor, unsigned status)
{
	actor->counts.uses++;
	if (status / 100 == 2) {
		actor->counts.honoured++;
		return HEARD_OK;
	}
	if (status == 401 || status == 403 || status == 404) {
		actor->counts.refused++;
		return HEARD_REFUSED;
	}
	if (status != 0 && status != 410 && status != 429 && status != 503)
		note_strange(actor);
	actor->counts.unknown += status != 410;
	if (status == 429 || status == 503)
		pause_us(PAUSE_US);
	return HEARD_NOTHING;
}

/* hall: HALLS for none.  begin_us: when what it was given began to be. */
static void
note_use(struct actor *actor, const struct pass *pass, unsigned hall, enum right right, unsigned status, uint64_t begin_us)
{
	const struct person *person = &actor->folk->people[pass->user];
	struct rights_event event = { .begin_us = begin_us, .end_us = actor->end_us, .needs = { pass->fact, person->fact },
		.need_count = 2, .op = RIGHTS_USED, .outcome = (uint8_t)used(actor, status), .status = (uint16_t)status };

	/* 401 says that nobody was let in, whatever he wanted. */
	if (hall < HALLS && status != 401) {
		event.needs[event.need_count++] = person->rights[hall][right];
		if (!pass->can[hall][right])
			event.needs[event.need_count++] = FACT_NEVER;
	}
	snprintf(event.what, sizeof(event.what), "%s %s", pass->kind == PASS_TOKEN ? "token" :
	    pass->kind == PASS_SESSION ? "session" : "password", hall == HALLS ? "me" : right_names[right]);
	rights_add(actor->folk->rights, actor->number, &event);
}

/* When the newest of the messages that came was sent. */
static uint64_t
newest(struct actor *actor, uint64_t begin_us)
{
	json_t *messages = response_member(&actor->wire.answer, "messages"), *message;
	size_t i;

	json_array_foreach(messages, i, message) {
		const char *body = json_string_value(json_object_get(message, "body"));
		uint64_t sent_us = body != NULL && strncmp(body, "sent ", 5) == 0 ? strtoull(body + 5, NULL, 10) : 0;

		if (sent_us == 0)
			note_strange(actor);
		begin_us = sent_us > begin_us ? sent_us : begin_us;
	}
	return begin_us;
}

static void
ack_all(struct actor *actor, const struct pass *pass, const char *who, unsigned hall)
{
	json_t *messages = response_member(&actor->wire.answer, "messages"), *message;
	char json[1200] = "{\"receipts\":[", line[80];
	size_t i, n = strlen(json);

	actor->counts.given += json_array_size(messages);
	json_array_foreach(messages, i, message) {
		const char *receipt = json_string_value(json_object_get(message, "receipt"));

		if (receipt != NULL && n + strlen(receipt) + 8 < sizeof(json))
			n += (size_t)sprintf(json + n, "%s\"%s\"", i == 0 ? "" : ",", receipt);
	}
	sprintf(json + n, "]}");
	snprintf(line, sizeof(line), "POST /v1/queues/%s/leases:ack", actor->folk->halls[hall]);
	unsigned status = ask(actor, who, json, line);
	note_use(actor, pass, hall, RIGHT_CONSUME, status, actor->begin_us);
}

static void
use_hall(struct actor *actor, const struct pass *pass, const char *who)
{
	unsigned hall = (unsigned)chance(actor, HALLS);
	char line[100], body[64];
	unsigned status;

	if (chance(actor, 2) == 0) {
		snprintf(line, sizeof(line), "POST /v1/queues/%s/messages", actor->folk->halls[hall]);
		snprintf(body, sizeof(body), "sent %" PRIu64, clock_us());
		status = ask(actor, who, body, line);
		note_use(actor, pass, hall, RIGHT_PUBLISH, status, actor->begin_us);
		return;
	}
	snprintf(line, sizeof(line), "POST /v1/queues/%s/messages:receive", actor->folk->halls[hall]);
	unsigned wait_ms = chance(actor, 2) == 0 ? 0 : (unsigned)chance(actor, 300);

	snprintf(body, sizeof(body), "{\"max\":5,\"lease\":\"2s\",\"wait\":\"%ums\"}", wait_ms);
	status = ask(actor, who, body, line);
	/* A frontd that is stopped ends each wait by 204, also one that no worker has looked at yet: it says nothing of the queue. */
	note_use(actor, pass, status == 204 && wait_ms > 0 ? HALLS : hall, RIGHT_CONSUME, status, status == 200 ? newest(actor, actor->begin_us) : actor->begin_us);
	if (status == 200)
		ack_all(actor, pass, who, hall);
}

/* A recent one for the most part, for those are good. */
static bool
choose_pass(struct actor *actor, struct pass *pass)
{
	struct folk *folk = actor->folk;
	uint64_t back = chance(actor, chance(actor, 4) == 0 ? PASSES : 5 * KEEPERS * OWN_MAX);

	pthread_mutex_lock(&folk->lock);
	bool is_there = back < folk->pass_count && back < PASSES;
	if (is_there)
		*pass = folk->passes[(folk->pass_count - 1 - back) % PASSES];
	pthread_mutex_unlock(&folk->lock);
	return is_there;
}

static void
prober_turn(struct actor *actor)
{
	struct pass pass;
	char who[200];

	if (!choose_pass(actor, &pass)) {
		pause_us(PAUSE_US);
		return;
	}
	authorization(actor->folk, &pass, who);
	if (chance(actor, 3) == 0) {
		unsigned status = ask(actor, who, "", "GET /v1/users/me");

		note_use(actor, &pass, HALLS, RIGHT_PUBLISH, status, actor->begin_us);
		return;
	}
	use_hall(actor, &pass, who);
}

/* --- all of them --- */

static void *
actor_run(void *argument)
{
	struct actor *actor = argument;

	while (!is_over(actor)) {
		if (actor->number < KEEPERS)
			keeper_turn(actor);
		else
			prober_turn(actor);
	}
	return NULL;
}

static void
make_world(struct folk *folk)
{
	struct actor *actor = &folk->actors[0];

	for (unsigned i = 0; i < HALLS; i++) {
		snprintf(folk->halls[i], sizeof(folk->halls[i]), "hall-%" PRIx64 "-%u", folk->seed, i);
		while (order(actor, "{\"max_deliveries\":1000000}", "PUT /v1/queues/%s", folk->halls[i]) != HEARD_OK)
			;
	}
	for (unsigned i = 0; i < USERS; i++) {
		struct person *person = &folk->people[i];

		snprintf(person->name, sizeof(person->name), "u%" PRIx64 "-%u", folk->seed, i);
		person->fact = rights_fact(folk->rights, FACT_CREDENTIAL);
		for (unsigned j = 0; j < HALLS * HALL_RIGHTS; j++)
			person->rights[j / HALL_RIGHTS][j % HALL_RIGHTS] = rights_fact(folk->rights, FACT_RIGHT);
		while (person->password.fact == 0)
			settle_password(actor, i);
		for (unsigned hall = 0; hall < HALLS; hall++)
			grant(actor, person, hall, (1 << HALL_RIGHTS) - 1);
	}
}

struct folk *
folk_begin(uint64_t seed, uint16_t port, const char *admin, struct rights *rights)
{
	struct folk *folk = calloc(1, sizeof(*folk));

	assert(folk != NULL);
	folk->seed = seed;
	folk->port = port;
	folk->rights = rights;
	rights_init(rights, LATE_US);
	snprintf(folk->admin, sizeof(folk->admin), "Bearer %s", admin);
	(void)pthread_mutex_init(&folk->lock, NULL); /* without attributes it cannot fail */
	for (unsigned i = 0; i < FOLK_CLIENTS; i++) {
		struct actor *actor = &folk->actors[i];

		actor->folk = folk;
		actor->number = i;
		actor->random = seed * FOLK_CLIENTS + i;
		wire_init(&actor->wire);
	}
	make_world(folk);
	for (unsigned i = 0; i < FOLK_CLIENTS; i++) {
		int rc = pthread_create(&folk->actors[i].thread, NULL, actor_run, &folk->actors[i]);

		assert(rc == 0);
		(void)rc;
	}
	return folk;
}

void
folk_set_port(struct folk *folk, uint16_t port)
{
	store_relaxed(&folk->port, port);
}

struct folk_counts
folk_end(struct folk *folk)
{
	struct folk_counts sum = { 0 };

	store_relaxed(&folk->is_over, 1);
	for (unsigned i = 0; i < FOLK_CLIENTS; i++) {
		const struct folk_counts *counts = &folk->actors[i].counts;

		(void)pthread_join(folk->actors[i].thread, NULL); /* each once: it cannot fail */
		sum.changes += counts->changes;
		sum.uses += counts->uses;
		sum.unknown += counts->unknown;
		sum.honoured += counts->honoured;
		sum.refused += counts->refused;
		sum.given += counts->given;
		sum.silent += counts->silent;
		if (sum.strange[0] == '\0')
			memcpy(sum.strange, counts->strange, sizeof(sum.strange));
	}
	return sum;
}

void
folk_free(struct folk *folk)
{
	for (unsigned i = 0; i < FOLK_CLIENTS; i++)
		wire_free(&folk->actors[i].wire);
	(void)pthread_mutex_destroy(&folk->lock);
	free(folk);
}
