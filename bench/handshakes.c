/*
 * handshakes: how many TLS handshakes a frontd does, and what one costs it; one line of key=value
 * on stdout.
 *
 *   handshakes PORT [seconds=1] [threads=4] [resumed=0] [version=1.3] [pid=0]
 *
 * Each thread connects, shakes hands, says good-bye and closes, one after the other.  resumed=1:
 * with a ticket from the first.  pid is the frontd's: its CPU time is divided by the handshakes.
 * The client works more than the broker (it verifies), so on two CPUs the rate is its own: what the
 * broker could do is 1 / cpu_us.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "shm/clock.h"

#define THREADS_MAX 64

struct run {
	uint16_t port;
	bool is_resumed;
	int version;
	uint64_t until_ns;
	SSL_SESSION *session; /* with a ticket */
};

struct worker {
	pthread_t thread;
	const struct run *run;
	SSL_CTX *context;
	uint64_t done, resumed, failed;
};

static SSL_SESSION *newest; /* of the one connection that is made before the threads are */

static int
take_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	if (newest != NULL)
		return 0;
	newest = session;
	return 1;
}

static SSL_CTX *
make_context(const struct run *run)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(context, run->version);
	SSL_CTX_set_max_proto_version(context, run->version);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, take_session);
	return context;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger now = { .l_onoff = 1 };

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("connect");
		exit(1);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* no ports in TIME_WAIT */
	return fd;
}

/* One; with asks, a request is answered too, so that its ticket has come. */
static void
shake_hands(struct worker *worker, bool asks)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
	SSL *ssl = SSL_new(worker->context);
	int fd = dial(worker->run->port);
	char answer[4096];

	SSL_set_fd(ssl, fd);
	if (worker->run->session != NULL) {
		SSL_SESSION *copy = SSL_SESSION_dup(worker->run->session);

		SSL_set_session(ssl, copy);
		SSL_SESSION_free(copy);
	}
	bool is_done = SSL_connect(ssl) == 1;
	if (is_done && asks)
		is_done = SSL_write(ssl, request, sizeof(request) - 1) > 0 &&
		    SSL_read(ssl, answer, sizeof(answer)) > 0;
	/* The broker is done when it has closed: it takes the good-bye behind the last flight. */
	if (is_done && SSL_shutdown(ssl) >= 0)
		while (recv(fd, answer, sizeof(answer), 0) > 0)
			continue;
	worker->done += is_done;
	worker->failed += !is_done;
	worker->resumed += is_done && SSL_session_reused(ssl) == 1;
	SSL_free(ssl);
	close(fd);
}

static void *
work(void *context)
{
	struct worker *worker = context;

	while (now_ns() < worker->run->until_ns)
		shake_hands(worker, false);
	return NULL;
}

static double
cpu_seconds(int pid)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = pid > 0 ? fopen(path, "re") : NULL;
	if (file == NULL)
		return 0;
	const char *end = fgets(text, sizeof(text), file) != NULL ? strrchr(text, ')') : NULL;
	fclose(file);
	if (end != NULL)
		(void)sscanf(
		    end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double
option(int argc, char **argv, const char *key, double usual)
{
	size_t key_bytes = strlen(key);

	for (int i = 2; i < argc; i++)
		if (strncmp(argv[i], key, key_bytes) == 0 && argv[i][key_bytes] == '=')
			return atof(argv[i] + key_bytes + 1);
	return usual;
}

int
main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	struct worker sum = { .done = 0 };

	if (argc < 2) {
		fprintf(stderr,
		    "usage: handshakes PORT [key=value]...; see the head of bench/handshakes.c\n");
		return 2;
	}
	unsigned threads = (unsigned)option(argc, argv, "threads", 4);
	double seconds = option(argc, argv, "seconds", 1);
	int pid = (int)option(argc, argv, "pid", 0);
	struct run run = { .port = (uint16_t)atoi(argv[1]),
		.is_resumed = option(argc, argv, "resumed", 0) != 0,
		.version = option(argc, argv, "version", 1.3) < 1.25 ? TLS1_2_VERSION
								     : TLS1_3_VERSION };

	if (threads == 0 || threads > THREADS_MAX)
		return 2;
	struct worker first = { .run = &run, .context = make_context(&run) };
	shake_hands(&first, true);
	run.session = run.is_resumed ? newest : NULL;
	double cpu_before = cpu_seconds(pid);
	uint64_t begin_ns = now_ns();
	run.until_ns = begin_ns + (uint64_t)(seconds * 1e9);
	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .run = &run, .context = make_context(&run) };
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		sum.done += workers[i].done;
		sum.resumed += workers[i].resumed;
		sum.failed += workers[i].failed;
		SSL_CTX_free(workers[i].context);
	}
	double lasted = (double)(now_ns() - begin_ns) / 1e9, cpu = cpu_seconds(pid) - cpu_before;
	printf("version=%s resumed=%d handshakes=%lu of_them_resumed=%lu failed=%lu seconds=%.2f "
	       "per_second=%.0f cpu_us=%.1f\n",
	    run.version == TLS1_2_VERSION ? "1.2" : "1.3", run.is_resumed, (unsigned long)sum.done,
	    (unsigned long)sum.resumed, (unsigned long)sum.failed, lasted,
	    (double)sum.done / lasted, cpu * 1e6 / (double)sum.done);
	SSL_CTX_free(first.context);
	SSL_SESSION_free(newest);
	return sum.failed != 0;
}
