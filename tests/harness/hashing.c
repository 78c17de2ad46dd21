#include "tests/harness/hashing.h"

#include <check.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/park.h"

void
hashing_open(struct hashing *hashing, uint64_t cost, int front_event_fd)
{
	struct hasher *hasher = &hashing->hasher;

	*hasher = (struct hasher){ .front_event_fd = front_event_fd, .event_fd = eventfd(0, EFD_CLOEXEC) };
	ck_assert_int_ge(hasher->event_fd, 0);
	ck_assert_int_eq(passwords_make(&hashing->files, cost), 0);
	hasher->asks = passwords_map_asks(hashing->files.asks_reading_fd, PROT_READ);
	hasher->answers = passwords_map_answers(hashing->files.answers_fd, PROT_READ | PROT_WRITE);
	ck_assert_ptr_nonnull(hasher->asks);
	ck_assert_ptr_nonnull(hasher->answers);
}

struct password_source
hashing_source(const struct hashing *hashing)
{
	return (struct password_source){ .asks_fd = hashing->files.asks_fd,
		.answers_fd = hashing->files.answers_reading_fd,
		.event_fd = hashing->hasher.event_fd };
}

void
hashing_close(struct hashing *hashing)
{
	passwords_unmap(hashing->hasher.asks, hashing->hasher.answers);
	passwords_close(&hashing->files);
	close(hashing->hasher.event_fd);
}

static void *
run(void *context)
{
	hasher_run(context);
	return NULL;
}

void
hashing_start(struct hashing *hashing)
{
	hashing->hasher.is_over = 0;
	ck_assert_int_eq(hasher_init(&hashing->hasher), 0);
	ck_assert_int_eq(pthread_create(&hashing->thread, NULL, run, &hashing->hasher), 0);
}

void
hashing_stop(struct hashing *hashing)
{
	/* hasher_run() looks at it before each job. */
	store_release(&hashing->hasher.is_over, (uint64_t)1);
	park_poke(hashing->hasher.event_fd);
	ck_assert_int_eq(pthread_join(hashing->thread, NULL), 0);
}
