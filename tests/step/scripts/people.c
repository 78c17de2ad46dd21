/*
 * People: users and credentials in shard 0, and what comes of them by themselves.  The tables of the oracle's shard hold 4 users,
 * 6 credentials, 4 grants.  uids and ids follow from the order in which they are given.
 */
#include <string.h>

#include "tests/step/core/people.h"
#include "tests/step/scripts/scripts.h"

#define UID(number, slot) USER_UID(number, slot)
#define ID(number, slot) CREDENTIAL_ID(number, slot)

static struct user_config
with_password(const char *password)
{
	struct user_config config = { .password_bytes = (uint8_t)strlen(password) };

	memcpy(config.password, password, config.password_bytes);
	return config;
}

static void
user_put_perform(struct play *play)
{
	struct user_config config = with_password("$y$one");
	uint64_t ann = play_user_make(play, "ann", USER_ROLE_ADMIN),
	         bob = play_user(play, OP_USER_PUT, "bob", &config, USER_FIELD_PASSWORD);

	play_run(play);
	play_expect(play, ann, OUTCOME_CREATED);
	play_expect(play, bob, OUTCOME_CREATED);
	play_expect_that(play, play_shows_user(play, UID(1, 0)) && play_shows_user(play, UID(2, 1)),
	    "both are shown");

	config.quotas.connections = 7;
	uint64_t changed = play_user(play, OP_USER_PUT, "bob", &config, USER_FIELD_CONNECTIONS);
	uint64_t same = play_user(play, OP_USER_PUT, "bob", &config, USER_FIELD_CONNECTIONS);
	uint64_t last = play_user_make(play, "ann", USER_ROLE_USER),
	         bad = play_user_make(play, ".eve", USER_ROLE_USER);
	play_run(play);
	play_expect(play, changed, OUTCOME_OK);
	play_expect(play, same, OUTCOME_OK);
	play_expect(play, last, OUTCOME_LAST_ADMIN);
	play_expect(play, bad, OUTCOME_BAD_NAME);

	uint64_t third = play_user_make(play, "eve", USER_ROLE_USER),
	         fourth = play_user_make(play, "joe", USER_ROLE_USER);
	uint64_t fifth = play_user_make(play, "sue", USER_ROLE_USER);
	play_run(play);
	play_expect(play, third, OUTCOME_CREATED);
	play_expect(play, fourth, OUTCOME_CREATED);
	play_expect(play, fifth, OUTCOME_TOO_MANY_USERS);
	play_restart(play);
}

const struct script user_put_script = { .name = "user_put", .perform = user_put_perform };

static void
user_patch_perform(struct play *play)
{
	struct user_config config = with_password("$y$two");
	uint64_t none = play_user(play, OP_USER_PATCH, "bob", &config, USER_FIELD_PASSWORD);

	play_user_make(play, "bob", USER_ROLE_USER);
	play_credential(play, UID(1, 0), CREDENTIAL_SESSION, 's', 0);
	play_credential(play, UID(1, 0), CREDENTIAL_TOKEN, 't', 0);
	play_run(play);
	play_expect(play, none, OUTCOME_NO_USER);

	/* He sets his own password: his sessions are over, and are swept away when it is time. */
	play->caller = (struct caller){ .uid = UID(1, 0) };
	uint64_t own = play_user(play, OP_USER_PATCH, "bob", &config, USER_FIELD_PASSWORD);
	uint64_t more = play_user(play, OP_USER_PATCH, "bob", &config, USER_FIELD_ROLE);
	play_run(play);
	play_expect(play, own, OUTCOME_OK);
	play_expect(play, more, OUTCOME_FORBIDDEN);
	play_advance(play, 1000);
	play_run(play);
	play_expect_that(play, !play_shows_credential(play, ID(1, 0)) || play_is_past(play),
	    "the session is gone");
	play_expect_that(play, play_shows_credential(play, ID(2, 1)), "the token is not");
}

const struct script user_patch_script = { .name = "user_patch", .perform = user_patch_perform };

static void
user_delete_perform(struct play *play)
{
	play_user_make(play, "ann", USER_ROLE_ADMIN);
	play_user_make(play, "bob", USER_ROLE_USER);
	for (char secret = 'a'; secret < 'e'; secret++)
		play_credential(play, UID(2, 1),
		    secret % 2 == 0 ? CREDENTIAL_TOKEN : CREDENTIAL_SESSION, secret, 0);
	play_run(play);

	uint64_t gone = play_user_delete(play, "bob"), again = play_user_delete(play, "bob"),
	         last = play_user_delete(play, "ann");
	play_run(play);
	play_expect(play, gone, OUTCOME_OK);
	play_expect(play, again, OUTCOME_NO_USER);
	play_expect(play, last, OUTCOME_LAST_ADMIN);
	play_advance(play, 1000);
	play_run(play);
	/* His name and his slot are another's now. */
	uint64_t another = play_user_make(play, "bob", USER_ROLE_USER);
	uint64_t strange = play_credential(play, UID(2, 1), CREDENTIAL_TOKEN, 'x', 0);
	play_run(play);
	play_expect(play, another, OUTCOME_CREATED);
	play_expect(play, strange, OUTCOME_NO_USER);
	play_expect_that(play, play_shows_user(play, UID(3, 1)), "the new one is shown");
	play_cold_start(play, true);
	play_expect_that(play, play_shows_user(play, UID(3, 1)), "after a cold start too");
}

const struct script user_delete_script = { .name = "user_delete", .perform = user_delete_perform };

static void
credential_create_perform(struct play *play)
{
	uint64_t ids[7];

	play_user_make(play, "bob", USER_ROLE_USER);
	play_run(play);
	play->caller = (struct caller){ .uid = UID(1, 0) };
	for (unsigned i = 0; i < 7; i++)
		ids[i] = play_credential(play, UID(1, 0), CREDENTIAL_TOKEN, (char)('a' + i), 0);
	uint64_t other = play_credential(play, UID(2, 1), CREDENTIAL_TOKEN, 'z', 0);
	play_run(play);
	play_expect(play, ids[0], OUTCOME_CREATED);
	play_expect(play, ids[5], OUTCOME_CREATED);
	play_expect(play, ids[6], OUTCOME_TOO_MANY_CREDENTIALS);
	play_expect(play, other, OUTCOME_FORBIDDEN);
	play_expect_that(play, play_shows_credential(play, ID(6, 5)), "the last is shown");
}

const struct script credential_create_script = { .name = "credential_create",
	.perform = credential_create_perform };

static void
credential_revoke_perform(struct play *play)
{
	play_user_make(play, "bob", USER_ROLE_USER);
	for (char secret = 'a'; secret < 'd'; secret++)
		play_credential(play, UID(1, 0), CREDENTIAL_TOKEN, secret, 0);
	play_run(play);
	uint64_t middle = play_revoke(play, ID(2, 1), CREDENTIAL_TOKEN),
	         again = play_revoke(play, ID(2, 1), CREDENTIAL_TOKEN);
	uint64_t session = play_revoke(play, ID(1, 0), CREDENTIAL_SESSION);
	play_run(play);
	play_expect(play, middle, OUTCOME_OK);
	play_expect(play, again, OUTCOME_NO_TOKEN);
	play_expect(play, session, OUTCOME_NO_SESSION);
	uint64_t next = play_credential(play, UID(1, 0), CREDENTIAL_TOKEN, 'd', 0);
	play_run(play);
	play_expect(play, next, OUTCOME_CREATED);
	play_expect_that(play, play_shows_credential(play, ID(4, 1)), "its slot is taken again");
}

const struct script credential_revoke_script = { .name = "credential_revoke",
	.perform = credential_revoke_perform };

static void
credential_revoke_all_perform(struct play *play)
{
	play_user_make(play, "bob", USER_ROLE_USER);
	for (char secret = 'a'; secret < 'e'; secret++)
		play_credential(play, UID(1, 0),
		    secret % 2 == 0 ? CREDENTIAL_TOKEN : CREDENTIAL_SESSION, secret, 0);
	play_run(play);
	uint64_t all = play_revoke_all(play, UID(1, 0), CREDENTIAL_SESSION),
	         none = play_revoke_all(play, UID(9, 3), CREDENTIAL_SESSION);
	play_credential(play, UID(1, 0), CREDENTIAL_SESSION, 'n', 0);
	play_run(play);
	play_expect(play, all, OUTCOME_OK);
	play_expect(play, none, OUTCOME_NO_USER);
	play_advance(play, 1000);
	play_run(play);
	play_expect_that(play, play_shows_credential(play, ID(5, 4)), "the new session stays");
}

const struct script credential_revoke_all_script = { .name = "credential_revoke_all",
	.perform = credential_revoke_all_perform };

/* Those that are used stay, those that are not end by the clock. */
static void
credential_touch_perform(struct play *play)
{
	play_user_make(play, "bob", USER_ROLE_USER);
	play_credential(play, UID(1, 0), CREDENTIAL_SESSION, 'a', 5000);
	play_credential(play, UID(1, 0), CREDENTIAL_SESSION, 'b', 5000);
	play_run(play);
	play_advance(play, 3000);
	uint64_t touched = play_touch(play, ID(1, 0)), nobody = play_touch(play, ID(7, 3));
	play_run(play);
	play_expect_none(play, touched);
	play_expect_none(play, nobody);
	play_advance(play, 3000);
	play_run(play);
	play_expect_that(
	    play, play_shows_credential(play, ID(1, 0)), "the one that was used is there");
	play_expect_that(
	    play, !play_shows_credential(play, ID(2, 1)) || play_is_past(play), "the other is not");
	play_advance(play, 3000);
	play_run(play);
	play_cold_start(play, false);
}

const struct script credential_touch_script = { .name = "credential_touch",
	.perform = credential_touch_perform };

static void
first_admin_perform(struct play *play)
{
	play_ask_admin(play, BOOTSTRAP_IF_NONE, 'f');
	play_run(play);
	play_expect_that(play,
	    play_shows_user(play, UID(1, 0)) && play_shows_credential(play, ID(1, 0)),
	    "there is an admin");
	play_ask_admin(play, BOOTSTRAP_IF_NONE, 'g');
	play_run(play);
	uint64_t revoked = play_revoke(play, ID(1, 0), CREDENTIAL_TOKEN);
	play_run(play);
	play_expect(play, revoked, OUTCOME_OK);
	play_ask_admin(play, BOOTSTRAP_ALWAYS, 'f');
	play_run(play);
	play_expect_that(play, !play_shows_credential(play, ID(2, 0)) || play_is_past(play),
	    "the revoked one does not come back");
	play_ask_admin(play, BOOTSTRAP_ALWAYS, 'h');
	play_run(play);
	play_expect_that(play, play_shows_credential(play, ID(2, 0)), "another does");
}

const struct script first_admin_script = { .name = "first_admin", .perform = first_admin_perform };
