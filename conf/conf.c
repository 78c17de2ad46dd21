/*
 * Happy path: conf_load_file() reads the whole file; inih takes it line by line from next_line() and calls take_value() for
 * each key, which stores it by the table.
 *
 * Failure modes: the first error ends it, with file and line.  inih alone would forgive: it cuts a long line in two, takes an
 * indented line as one more value of the key above, and lets the last of two equal keys win.  All three are errors here, for
 * an operator who wrote them meant something else.
 */
#include "conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/address.h"
#include "conf/option.h"

#define OPTIONS_MAX 256

/* One load. */
struct load {
	const char *name;
	const char *text;
	const char *end;
	unsigned line;
	struct conf *conf;
	struct conf_error *error; /* empty text: none yet */
	unsigned seen_on_line[OPTIONS_MAX];
};

__attribute__((format(printf, 2, 3))) static void
load_error(struct load *load, const char *format, ...)
{
	va_list arguments;
	int used;

	if (load->error->text[0] != '\0')
		return;
	used = snprintf(load->error->text, sizeof(load->error->text), "%s:%u: ", load->name, load->line);
	if (used < 0 || (size_t)used >= sizeof(load->error->text))
		return;
	va_start(arguments, format);
	vsnprintf(load->error->text + used, sizeof(load->error->text) - (size_t)used, format, arguments);
	va_end(arguments);
}

/* What could have been meant: the keys of the section, or the sections. */
static void
list_names(const char *section, char *text, size_t capacity)
{
	const char *last = "";
	bool section_exists = false;
	size_t used = 0;

	for (unsigned i = 0; i < option_count; i++)
		section_exists |= strcmp(options[i].section, section) == 0;
	used += (size_t)snprintf(text, capacity, section_exists ? "[%s] has" : "there is no [%s], but", section);
	for (unsigned i = 0; i < option_count && used < capacity; i++) {
		const char *name = section_exists ? options[i].key : options[i].section;

		if ((section_exists && strcmp(options[i].section, section) != 0) || strcmp(name, last) == 0)
			continue;
		used += (size_t)snprintf(text + used, capacity - used, "%s %s", *last != '\0' ? "," : "", name);
		last = name;
	}
}

/* inih's handler: 1 to go on, 0 after an error. */
static int
take_value(void *context, const char *section, const char *key, const char *value)
{
	struct load *load = context;
	const struct option *option = option_find(section, key);
	char cure[CONF_TEXT_BYTES * 2];

	if (section[0] == '\0') {
		load_error(load, "%s stands in no [section]; none is open before it, or its line is broken", key);
		return 0;
	}
	if (option == NULL) {
		list_names(section, cure, sizeof(cure));
		load_error(load, "unknown key %s.%s; %s", section, key, cure);
		return 0;
	}
	if (load->seen_on_line[option - options] != 0) {
		load_error(load, "%s.%s was already set on line %u (an indented line goes on with the key above); keep one",
		    section, key, load->seen_on_line[option - options]);
		return 0;
	}
	load->seen_on_line[option - options] = load->line;
	if (!option_store(option, value, load->conf)) {
		option_explain(option, cure);
		load_error(load, "%s.%s = %s: %s", section, key, value, cure);
		return 0;
	}
	return 1;
}

/* inih's reader: as fgets().  NULL after an error, so that inih stops. */
static char *
next_line(char *line, int capacity, void *context)
{
	struct load *load = context;
	size_t left = (size_t)(load->end - load->text);
	const char *newline;
	size_t line_bytes;

	if (left == 0 || load->error->text[0] != '\0')
		return NULL;
	newline = memchr(load->text, '\n', left);
	line_bytes = newline != NULL ? (size_t)(newline - load->text) + 1 : left;
	load->line++;
	if (line_bytes >= (size_t)capacity) {
		load_error(load, "the line is longer than %d bytes; shorten it", capacity - 1);
		return NULL;
	}
	if (memchr(load->text, '\0', line_bytes) != NULL) {
		load_error(load, "a NUL byte; this is not a text file");
		return NULL;
	}
	memcpy(line, load->text, line_bytes);
	line[line_bytes] = '\0';
	load->text += line_bytes;
	return line;
}

void
conf_defaults(struct conf *conf)
{
	assert(option_count <= OPTIONS_MAX);

	memset(conf, 0, sizeof(*conf));
	for (unsigned i = 0; i < option_count; i++) {
		bool is_stored = option_store(&options[i], options[i].preset, conf);

		assert(is_stored);
		(void)is_stored;
	}
}

int
conf_load_text(const char *text, size_t count, const char *name, struct conf *conf, struct conf_error *error)
{
	struct load load = { .name = name, .text = text, .end = text + count, .conf = conf, .error = error };
	int bad_line;

	error->text[0] = '\0';
	conf_defaults(conf);
	bad_line = ini_parse_stream(next_line, &load, take_value, &load);
	if (bad_line > 0 && error->text[0] == '\0') {
		load.line = (unsigned)bad_line;
		load_error(&load, "neither [section], nor key = value, nor a comment (# or ;)");
	} else if (bad_line < 0) {
		load_error(&load, "out of memory");
	}
	return error->text[0] == '\0' ? 0 : -1;
}

int
conf_load_fd(int fd, const char *name, struct conf *conf, struct conf_error *error)
{
	char *text = malloc(CONF_FILE_BYTES_MAX);
	size_t count = 0;
	ssize_t got = 0;
	int result = -1;

	if (text == NULL) {
		snprintf(error->text, sizeof(error->text), "%s: out of memory", name);
		return -1;
	}
	while (count < CONF_FILE_BYTES_MAX) {
		got = pread(fd, text + count, CONF_FILE_BYTES_MAX - count, (off_t)count);
		if (got <= 0)
			break;
		count += (size_t)got;
	}
	if (got < 0)
		snprintf(error->text, sizeof(error->text), "cannot read %s: %s", name, strerror(errno));
	else if (count == CONF_FILE_BYTES_MAX)
		snprintf(error->text, sizeof(error->text), "%s is larger than %u bytes; is it the right file?", name,
		    CONF_FILE_BYTES_MAX);
	else
		result = conf_load_text(text, count, name, conf, error);
	free(text);
	return result;
}

int
conf_load_file(const char *path, struct conf *conf, struct conf_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0) {
		snprintf(error->text, sizeof(error->text), "cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	result = conf_load_fd(fd, path, conf, error);
	close(fd);
	return result;
}

int
conf_set(struct conf *conf, const char *assignment, struct conf_error *error)
{
	char name[CONF_TEXT_BYTES];
	char cure[CONF_TEXT_BYTES * 2];
	const char *equals = strchr(assignment, '=');
	const struct option *option;
	char *dot;

	if (equals == NULL || (size_t)(equals - assignment) >= sizeof(name))
		goto fail_form;
	memcpy(name, assignment, (size_t)(equals - assignment));
	name[equals - assignment] = '\0';
	dot = strchr(name, '.');
	if (dot == NULL)
		goto fail_form;
	*dot = '\0';

	option = option_find(name, dot + 1);
	if (option == NULL) {
		list_names(name, cure, sizeof(cure));
		snprintf(error->text, sizeof(error->text), "-o %s: unknown key; %s", assignment, cure);
		return -1;
	}
	if (!option_store(option, equals + 1, conf)) {
		option_explain(option, cure);
		snprintf(error->text, sizeof(error->text), "-o %s: %s", assignment, cure);
		return -1;
	}
	return 0;

fail_form:
	snprintf(error->text, sizeof(error->text), "-o %s: must be section.key=value, such as server.listen=127.0.0.1:0",
	    assignment);
	return -1;
}

socklen_t
conf_listen_address(const struct conf *conf, struct sockaddr_storage *address)
{
	return address_parse(conf->server_listen, address);
}

socklen_t
conf_tls_address(const struct conf *conf, struct sockaddr_storage *address)
{
	return address_parse(conf->tls_listen, address);
}

/* Who can reach us, and how. */
static int
check_doors(const struct conf *conf, struct conf_error *error)
{
	struct sockaddr_storage plain, tls;
	bool has_plain = conf_listen_address(conf, &plain) != 0, has_tls = conf_tls_address(conf, &tls) != 0;
	bool is_plain_far = has_plain && !address_is_loopback(&plain), is_tls_far = has_tls && !address_is_loopback(&tls);

	if (!has_plain && !has_tls) {
		snprintf(error->text, sizeof(error->text),
		    "server.listen and tls.listen are both off: nobody could reach this broker; set one of them");
		return -1;
	}
	if (conf->auth_mode == CONF_AUTH_OFF && (is_plain_far || is_tls_far)) {
		snprintf(error->text, sizeof(error->text),
		    "%s.listen = %s: with auth.mode = off only loopback is served, "
		    "or anybody could read and write every queue; listen on 127.0.0.1 or [::1]",
		    is_plain_far ? "server" : "tls", is_plain_far ? conf->server_listen : conf->tls_listen);
		return -1;
	}
	if (is_plain_far && conf->server_insecure == CONF_INSECURE_NO) {
		snprintf(error->text, sizeof(error->text),
		    "server.listen = %s: plain HTTP beyond loopback shows messages and credentials to everybody on the way; "
		    "serve that address by tls.listen, or write `insecure = yes` into [server] if the network is yours alone",
		    conf->server_listen);
		return -1;
	}
	if (conf->tls_client_users != CONF_CLIENT_USERS_OFF && conf->tls_client_auth == CONF_CLIENT_AUTH_OFF) {
		snprintf(error->text, sizeof(error->text),
		    "tls.client_users is set, but tls.client_auth = off asks nobody for a certificate; set it to optional or "
		    "required");
		return -1;
	}
	return 0;
}

int
conf_check(const struct conf *conf, struct conf_error *error)
{
	if (check_doors(conf, error) != 0)
		return -1;
	if (conf->server_body_memory < conf->server_max_body) {
		snprintf(error->text, sizeof(error->text),
		    "server.body_memory is smaller than server.max_body: the largest request could never be taken; "
		    "raise the one or lower the other");
		return -1;
	}
	if (conf->data_batch_bytes > conf->worker_stream_ring / 4) {
		snprintf(error->text, sizeof(error->text),
		    "data.batch_bytes is more than a quarter of worker.stream_ring: the disk could not keep up with the "
		    "ring; raise the ring or lower the batch");
		return -1;
	}
	return 0;
}

int
conf_write_fd(const struct conf *conf, int fd)
{
	const char *section = "";
	char value[CONF_TEXT_BYTES];

	for (unsigned i = 0; i < option_count; i++) {
		if (strcmp(section, options[i].section) != 0) {
			section = options[i].section;
			if (dprintf(fd, "[%s]\n", section) < 0)
				return -1;
		}
		conf_option_format(conf, i, value);
		/* Without blanks: what filled its line in the file must not be too long here. */
		if (dprintf(fd, "%s=%s\n", options[i].key, value) < 0)
			return -1;
	}
	return 0;
}
