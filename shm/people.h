/*
 * people: users, credentials, rights: the shapes that frames, records, the tables of shard 0 and region `directory` share,
 * and what follows from them alone.
 *
 * A user is known by his uid, which is never given twice: a grant or a credential of one who is gone gives nothing to
 * whoever takes his name.  Credentials are tokens and sessions; what is stored of one is the SHA-256 of its secret.
 */
#ifndef SHM_PEOPLE_H
#define SHM_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/limits.h"
#include "shm/name.h"

/* What may be done to a queue.  Its owner and admins may do all of it. */
enum right {
	RIGHT_NONE = 0,
	RIGHT_PUBLISH = 1 << 0,
	RIGHT_CONSUME = 1 << 1, /* receive and settle */
	RIGHT_BROWSE = 1 << 2,  /* look at it */
	RIGHT_MANAGE = 1 << 3,  /* configure, purge, delete, grant */
	RIGHTS_ALL = RIGHT_PUBLISH | RIGHT_CONSUME | RIGHT_BROWSE | RIGHT_MANAGE,
};

/* Of one right, as in API.md; "" for anything else. */
const char *right_name(unsigned right);

/* Who asks, in every request but RECEIVE_CANCEL and CREDENTIAL_TOUCH.  A worker believes its frontd about it. */
struct caller {
	uint64_t uid;          /* 0: nobody, with auth.mode = off */
	uint32_t flags;        /* enum caller_flag */
	uint32_t reserved;
};
_Static_assert(sizeof(struct caller) == 16, "caller: format of frames");

enum caller_flag {
	CALLER_ADMIN = 1 << 0,      /* role admin, and a credential that allows it; or auth.mode = off */
	CALLER_MAY_CREATE = 1 << 1, /* QUEUE_PUT: the queue's name is within what the user may create */
};

/* --- users --- */

enum user_role { USER_ROLE_USER, USER_ROLE_ADMIN };

/* What one user may have and do; 0: no limit. */
struct user_quotas {
	uint64_t queues;
	uint64_t stored_bytes;
	uint64_t connections;
	uint64_t messages_per_second;
	uint64_t bytes_per_second;
};

/* What may be set about a user; unused bytes of texts are zero. */
struct user_config {
	struct user_quotas quotas;
	uint8_t role;               /* enum user_role */
	uint8_t is_disabled;
	uint8_t password_bytes;     /* 0: no password, only tokens */
	uint8_t reserved;
	uint16_t creates_bytes;
	uint16_t reserved_too;
	char password[PASSWORD_HASH_BYTES_MAX]; /* as crypt(3) writes it, without the end mark */
	char creates[CREATES_BYTES_MAX];        /* names of queues he may create: patterns (pattern.h) */
};
_Static_assert(sizeof(struct user_config) == 688, "user configuration: format of frames and records");

enum user_field {
	USER_FIELD_ROLE = 1 << 0,
	USER_FIELD_DISABLED = 1 << 1,
	USER_FIELD_PASSWORD = 1 << 2, /* also a PUT that does not give it keeps what is there */
	USER_FIELD_CREATES = 1 << 3,
	USER_FIELD_QUEUES = 1 << 4,
	USER_FIELD_STORED_BYTES = 1 << 5,
	USER_FIELD_CONNECTIONS = 1 << 6,
	USER_FIELD_MESSAGES_PER_SECOND = 1 << 7,
	USER_FIELD_BYTES_PER_SECOND = 1 << 8,
};

/* Two kinds of credential. */
enum credential_kind { CREDENTIAL_TOKEN, CREDENTIAL_SESSION, CREDENTIAL_KIND_COUNT };

struct user_entry {
	struct queue_name name;
	uint64_t uid;
	uint64_t etag;              /* changes with each change of the configuration; unique over delete and create */
	uint64_t password_etag;     /* the etag of the change that last set or took the password; 0: he never had one */
	uint64_t created_ms;
	uint64_t void_to[CREDENTIAL_KIND_COUNT]; /* credentials of the kind with numbers up to here are void */
	struct user_config config;
};
_Static_assert(sizeof(struct user_entry) == 824, "user: format of frames and records");

/* uid = number of the creation << 32 | slot. */
#define USER_SLOT(uid) ((uint32_t)(uid))
#define USER_UID(number, slot) ((uint64_t)(number) << 32 | (slot))
#define USER_NUMBER(uid) ((uid) >> 32)

/* A new user's: role user, enabled, no password, no quotas; creates `NAME` and `NAME.#`. */
struct user_config user_config_default(const struct queue_name *name);

/* Take the fields named in `fields` from `from`. */
void user_config_merge(struct user_config *into, const struct user_config *from, uint32_t fields);

/* True if every value is within its bounds (a worker asks it of a stranger's frame). */
bool user_config_is_valid(const struct user_config *config);

/* --- credentials --- */

#define CREDENTIAL_HASH_BYTES 32

/* What is asked for.  Times are broker time. */
struct credential_config {
	uint8_t hash[CREDENTIAL_HASH_BYTES]; /* SHA-256 of the secret */
	uint64_t uid;
	uint64_t expires_ms;        /* 0: never */
	uint64_t idle_ms;           /* ends when not used for so long, 0..DELAY_MS_MAX; 0: it does not */
	struct queue_name name;           /* for people; any printable text, bytes may be 0 */
	uint16_t scopes_bytes;
	uint8_t kind;               /* enum credential_kind */
	uint8_t reserved[5];
	char scopes[SCOPES_BYTES_MAX]; /* pattern.h; unused bytes are zero */
};
_Static_assert(sizeof(struct credential_config) == 664, "credential: format of frames and records");

struct credential_entry {
	uint64_t id;                /* for everybody to see; never given twice, not 0 */
	uint64_t created_ms;
	uint64_t last_used_ms;      /* to the minute or so; created_ms at first */
	struct credential_config config;
};
_Static_assert(sizeof(struct credential_entry) == 688, "credential: format of frames and records");

/* id = number of the creation << CREDENTIAL_SLOT_BITS | slot: 44 bits last 5000 years at 100 logins a second. */
#define CREDENTIAL_SLOT_BITS 20
#define CREDENTIAL_SLOT(id) ((uint32_t)((id) & ((1u << CREDENTIAL_SLOT_BITS) - 1)))
#define CREDENTIAL_ID(number, slot) ((uint64_t)(number) << CREDENTIAL_SLOT_BITS | (slot))
#define CREDENTIAL_NUMBER(id) ((id) >> CREDENTIAL_SLOT_BITS)

bool credential_config_is_valid(const struct credential_config *config);

/*
 * True if it can never be good again: its user (NULL: there is no such uid) is gone, it was made void, it has expired or was
 * not used for too long.  The worker sweeps away what is over.
 */
bool credential_is_over(const struct credential_entry *credential, const struct user_entry *user, uint64_t now_ms);

/* Whether it is good at now_ms: it is not over, and its user is not disabled.  THE rule for whoever lets somebody in. */
bool credential_is_good(const struct credential_entry *credential, const struct user_entry *user, uint64_t now_ms);

/* When it ends if it is not used any more, broker time; UINT64_MAX: never. */
uint64_t credential_ends_ms(const struct credential_entry *credential);

#endif
