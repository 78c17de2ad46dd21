/*
 * conf: the configuration of a broker: options.def, read from an INI file, checked, handed on as text to the daemons.
 *
 *   file -> conf_load_file() -> conf_set() for each -o -> conf_check() -> conf_write_fd() -> descriptor of the daemons
 *   daemon: conf_load_fd()
 *
 * Nothing here logs: who calls prints the error, which names place, key and cure.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONF_TEXT_BYTES 192  /* a text with its NUL; a line of the file has no room for more */
#define CONF_FILE_BYTES_MAX (256u << 10)

enum conf_accept { CONF_ACCEPT_MULTISHOT, CONF_ACCEPT_ONESHOT };
enum conf_direct { CONF_DIRECT_AUTO, CONF_DIRECT_ON, CONF_DIRECT_OFF };
enum conf_sandbox { CONF_SANDBOX_AUTO, CONF_SANDBOX_OFF, CONF_SANDBOX_REQUIRED };
enum conf_auth { CONF_AUTH_REQUIRED, CONF_AUTH_OFF };
enum conf_audit_data_plane { CONF_AUDIT_OFF, CONF_AUDIT_ALL };
enum conf_audit_on_failure { CONF_AUDIT_REFUSE, CONF_AUDIT_GO_ON };
enum conf_metrics_access { CONF_METRICS_ADMIN, CONF_METRICS_USERS, CONF_METRICS_ANY, CONF_METRICS_OFF };
enum conf_insecure { CONF_INSECURE_NO, CONF_INSECURE_YES };
enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };
enum conf_client_auth { CONF_CLIENT_AUTH_OFF, CONF_CLIENT_AUTH_OPTIONAL, CONF_CLIENT_AUTH_REQUIRED };
enum conf_client_users { CONF_CLIENT_USERS_OFF, CONF_CLIENT_USERS_SAN, CONF_CLIENT_USERS_CN };
#define CONF_COUNT_AUTO 0 /* of server.processes, worker.shards */
/* log.level has the order of enum diag_level. */

#define CONF_FIELD_COUNT(section, key) uint64_t section##_##key;
#define CONF_FIELD_COUNT_AUTO(section, key) uint64_t section##_##key;
#define CONF_FIELD_POWER(section, key) uint64_t section##_##key;
#define CONF_FIELD_SIZE(section, key) uint64_t section##_##key;
#define CONF_FIELD_SIZE_BLOCK(section, key) uint64_t section##_##key;
#define CONF_FIELD_SIZE_POWER(section, key) uint64_t section##_##key;
#define CONF_FIELD_DURATION(section, key) uint64_t section##_##key##_ms;
#define CONF_FIELD_CHOICE(section, key) uint64_t section##_##key;
#define CONF_FIELD_NAME(section, key) char section##_##key[CONF_TEXT_BYTES];
#define CONF_FIELD_ADDRESS(section, key) char section##_##key[CONF_TEXT_BYTES];
#define CONF_FIELD_PATH(section, key) char section##_##key[CONF_TEXT_BYTES];
#define CONF_FIELD_PLACEMENT(section, key) char section##_##key[CONF_TEXT_BYTES];

/* One field for each row: conf.server_listen, conf.server_head_timeout_ms, conf.worker_stream_ring (sizes in bytes). */
struct conf {
#define X(section, key, type, preset, min, max, unit, reload, help) CONF_FIELD_##type(section, key)
#include "conf/options.def"
#undef X
};

/* Says where, which key, what is wrong and what would be right; one line without newline. */
struct conf_error {
	char text[640];
};

/* Every option's default. */
void conf_defaults(struct conf *conf);

/* The defaults, then what the file says.  0, or -1 with the first error.  Values are checked alone, not together. */
int conf_load_file(const char *path, struct conf *conf, struct conf_error *error);

/* The same from a descriptor, from its offset 0 without moving it; `name` stands for the file in errors. */
int conf_load_fd(int fd, const char *name, struct conf *conf, struct conf_error *error);

/* The same from text[0 .. count). */
int conf_load_text(const char *text, size_t count, const char *name, struct conf *conf, struct conf_error *error);

/* `section.key=value`, as after -o.  0, or -1 with the error and nothing changed. */
int conf_set(struct conf *conf, const char *assignment, struct conf_error *error);

/* What must be true of several values together, such as: without credentials only loopback is served. */
int conf_check(const struct conf *conf, struct conf_error *error);

/* Write all of it as INI text that conf_load_fd() understands.  0, or -1 with errno. */
int conf_write_fd(const struct conf *conf, int fd);

/* server.listen, or tls.listen, as an address.  Its length, or 0 if it is none: off. */
socklen_t conf_listen_address(const struct conf *conf, struct sockaddr_storage *address);
socklen_t conf_tls_address(const struct conf *conf, struct sockaddr_storage *address);

/* --- the table, for help, documentation and reload --- */

/* How many options there are; they are numbered as in options.def. */
unsigned conf_option_count(void);

/* Borrowed for ever. */
const char *conf_option_section(unsigned option);
const char *conf_option_key(unsigned option);
const char *conf_option_help(unsigned option);
const char *conf_option_default(unsigned option);
bool conf_option_is_reloadable(unsigned option);

/* The value as it would stand in a file. */
void conf_option_format(const struct conf *conf, unsigned option, char text[CONF_TEXT_BYTES]);

/* True if both have the same value of this option (reload). */
bool conf_option_is_equal(unsigned option, const struct conf *one, const struct conf *other);

/* What is allowed: "1 to 32", "a size from 8MiB to 1GiB, a power of two". */
void conf_option_range(unsigned option, char text[CONF_TEXT_BYTES]);

#endif
