/*
 * listen: taking connections off the listeners, which are the supervisor's: restarting this process refuses nobody.
 */
#ifndef FRONTD_LISTEN_H
#define FRONTD_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

struct frontd;

enum listen_kind { LISTEN_PLAIN, LISTEN_TLS, LISTEN_KINDS };

struct listener {
	int fd;                /* -1: nobody is served by it */
	bool is_armed;
	bool is_cancelling;
	bool has_accepted;     /* since it was last armed anew */
};

struct listeners {
	struct listener of[LISTEN_KINDS];
	uint64_t renew_ns;     /* when those that took nothing are armed anew */
	uint64_t young_ns;     /* until then often */
	uint64_t retry_ns;     /* 0: at once */
	uint64_t complained_ns;
};

/* Nagle off for everything accepted. */
void listen_init(struct frontd *frontd);

/*
 * Arm ACCEPT if there is room for connections; cancel it if there is none, or when draining.  Every turn.
 *
 * Arm it anew now and then: it waits exclusively, so one connection wakes one waiter, and for a while after the death of our
 * predecessor that may be his, whose ring the kernel takes apart when it comes to it.  Nobody would take that connection
 * until another comes; an ACCEPT that is armed takes what is there.
 */
void listen_update(struct frontd *frontd);

/* So long may be slept at most. */
uint64_t listen_sleep_ns(const struct frontd *frontd);

/* An ACCEPT completed. */
void listen_accepted(struct frontd *frontd, enum listen_kind kind, int result, bool has_more);

#endif
