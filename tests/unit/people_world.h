#ifndef TESTS_UNIT_PEOPLE_WORLD_H
#define TESTS_UNIT_PEOPLE_WORLD_H

/*
 * people_world: front_world with auth.mode = required.  The test plays worker 0 also in region `directory`: it puts users and
 * credentials there when it likes.
 */

#include <crypt.h>
#include <openssl/sha.h>

#include "shm/directory.h"
#include "shm/usage.h"
#include "tests/unit/front_world.h"

static struct people {
	struct directory directory; /* writable */
	uint64_t number;            /* of users and credentials, and the etags */
} people;

/* Before world_start(). */
static inline void
people_setup(void)
{
	const struct shard_geometry *geometry;

	world_setup();
	geometry = &world.registry.shared->geometry.shard;
	people = (struct people){ .number = 1 };
	ck_assert_int_eq(directory_attach(&people.directory, world.instance, geometry, &world.role.store, REGION_READ_WRITE), 0);
	directory_begin(&people.directory);
	directory_clear(&people.directory);
	directory_end(&people.directory, 1, true);
	world.limits.auth_is_required = true;
}

static inline void
people_teardown(void)
{
	world_stop();
	directory_detach(&people.directory);
}

static inline uint64_t
people_now_ms(void)
{
	return clock_ms(now_ns(), world.registry.shared->clock_offset_ns);
}

/* What worker 0 shows of a user from now on, with a generation of its own. */
static inline void
people_show_user(uint32_t slot, const struct user_entry *user)
{
	directory_begin(&people.directory);
	directory_put_user(&people.directory, slot, user);
	directory_end(&people.directory, ++people.number, true);
}

/* A user of this name in this slot; password NULL: he has none. */
static inline struct user_entry
people_user(uint32_t slot, const char *name, enum user_role role, const char *password)
{
	struct user_entry user = { .uid = USER_UID(++people.number, slot), .etag = people.number, .created_ms = 1 };
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	user.name.bytes = (uint8_t)strlen(name);
	memcpy(user.name.text, name, strlen(name));
	user.config = user_config_default(&user.name);
	user.config.role = (uint8_t)role;
	if (password != NULL) {
		static struct crypt_data data;
		const char *hash = crypt_r(password, crypt_gensalt_rn("$y$", 1, NULL, 0, setting, sizeof(setting)), &data);

		ck_assert_ptr_nonnull(hash);
		user.config.password_bytes = (uint8_t)strlen(hash);
		memcpy(user.config.password, hash, strlen(hash));
		user.password_etag = user.etag;
	}
	people_show_user(slot, &user);
	return user;
}

static inline void
people_show_credential(uint32_t slot, const struct credential_entry *credential, bool takes_away)
{
	directory_begin(&people.directory);
	directory_put_credential(&people.directory, slot, credential);
	directory_end(&people.directory, ++people.number, takes_away);
}

/* A token or session with this text; fields that matter are the test's to change before it is shown again. */
static inline struct credential_entry
people_credential(uint32_t slot, const char *secret, const struct user_entry *user, const char *scopes)
{
	struct credential_entry credential = { .id = CREDENTIAL_ID(++people.number, slot), .created_ms = people_now_ms(),
		.last_used_ms = people_now_ms() + 1 };

	SHA256((const unsigned char *)secret, strlen(secret), credential.config.hash);
	credential.config.uid = user->uid;
	credential.config.kind = strncmp(secret, "mqs_", 4) == 0 ? CREDENTIAL_SESSION : CREDENTIAL_TOKEN;
	credential.config.scopes_bytes = (uint16_t)strlen(scopes);
	memcpy(credential.config.scopes, scopes, strlen(scopes));
	people_show_credential(slot, &credential, false);
	return credential;
}

#endif
