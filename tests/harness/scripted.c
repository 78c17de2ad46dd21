#include "tests/harness/scripted.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

char scripted_output[65536];
char scripted_complaint[65536];

static const struct scripted *script;
static unsigned script_length;
static unsigned served;
static char trouble[4096]; /* the first request that was not as wanted */
static char url[64];
static int listener;
static pthread_t thread;

static void
examine(const struct scripted *exchange, const char *request)
{
	if (trouble[0] != '\0')
		return;
	for (unsigned i = 0; i < 8 && exchange->wanted[i] != NULL; i++) {
		const char *found = strstr(request, exchange->wanted[i]);

		if (found == NULL || (i == 0 && found != request))
			snprintf(trouble, sizeof(trouble), "wanted `%s` in:\n%.3000s",
			    exchange->wanted[i], request);
	}
	if (exchange->absent != NULL && strstr(request, exchange->absent) != NULL)
		snprintf(trouble, sizeof(trouble), "did not want `%s` in:\n%.3000s",
		    exchange->absent, request);
}

/* One whole request.  False at the end of the connection. */
static bool
read_request(int fd, char request[65536])
{
	size_t used = 0;

	for (;;) {
		ssize_t got = read(fd, request + used, 65535 - used);
		const char *length;
		const char *end;

		if (got <= 0)
			return false;
		used += (size_t)got;
		request[used] = '\0';
		end = strstr(request, "\r\n\r\n");
		length = strstr(request, "Content-Length: ");
		if (end != NULL &&
		    used >= (size_t)(end + 4 - request) +
			    (length != NULL ? strtoul(length + 16, NULL, 10) : 0))
			return true;
	}
}

/* A head that says no length gets one. */
static void
give(int fd, const char *answer)
{
	const char *fields = strstr(answer, "\r\n") + 2, *body = strstr(answer, "\r\n\r\n") + 4;
	bool has_length = strstr(answer, "Content-Length: ") != NULL ||
	    strncmp(answer, "HTTP/1.1 204", 12) == 0;
	char length[48] = "", whole[8192];

	if (!has_length)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
	int bytes = snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(fields - answer), answer,
	    length, fields);
	ck_assert_int_lt(bytes, (int)sizeof(whole));
	ck_assert_int_eq(write(fd, whole, (size_t)bytes), bytes);
}

static void *
serve(void *unused)
{
	static char request[65536];

	(void)unused;
	while (served < script_length) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		while (served < script_length && read_request(fd, request)) {
			examine(&script[served], request);
			give(fd, script[served].answer);
			served++;
		}
		close(fd);
	}
	return NULL;
}

void
scripted_start(const struct scripted *exchanges, unsigned count)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_bytes = sizeof(address);

	script = exchanges;
	script_length = count;
	served = 0;
	trouble[0] = '\0';
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_bytes), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

void
scripted_stop(void)
{
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	ck_assert_msg(trouble[0] == '\0', "%s", trouble);
	ck_assert_uint_eq(served, script_length);
}

/* The file's bytes into text, with a NUL. */
static void
take_output(int fd, char text[65536])
{
	ssize_t count = pread(fd, text, 65535, 0);

	close(fd);
	ck_assert_int_ge(count, 0);
	text[count] = '\0';
}

/* Put fd where `standard` was; what was there. */
static int
replace_standard(int standard, int fd)
{
	int saved = dup(standard);

	ck_assert_int_ge(saved, 0);
	ck_assert_int_eq(dup2(fd, standard), standard);
	return saved;
}

int
scripted_run_with(const char *input, int (*verb)(int argc, char **argv), char *const words[])
{
	int fds[3], saved[3];
	char *argv[28] = { NULL };
	int argc = 0;
	int code;

	for (; words[argc] != NULL; argc++)
		argv[argc] = words[argc];
	argv[argc++] = "--url";
	argv[argc++] = url;
	for (int i = 0; i < 3; i++)
		fds[i] = memfd_create("standard", MFD_CLOEXEC);
	if (input != NULL)
		ck_assert_int_eq(pwrite(fds[0], input, strlen(input), 0), (ssize_t)strlen(input));
	fflush(NULL);
	for (int i = 0; i < 3; i++)
		saved[i] = replace_standard(i, fds[i]);
	code = verb(argc, argv);
	fflush(NULL);
	for (int i = 0; i < 3; i++)
		close(replace_standard(i, saved[i]));
	for (int i = 0; i < 3; i++)
		close(saved[i]);
	close(fds[0]);
	take_output(fds[1], scripted_output);
	take_output(fds[2], scripted_complaint);
	return code;
}
