/*
 * listen: taking connections off the listener, which is the supervisor's: restarting this process refuses nobody.
 */
#ifndef FRONTD_LISTEN_H
#define FRONTD_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

struct frontd;

struct listener {
	bool is_armed;
	bool is_cancelling;
	uint64_t retry_ns;     /* 0: at once */
	uint64_t complained_ns;
};

/* Nagle off for everything accepted. */
void listen_init(struct frontd *frontd);

/* Arm ACCEPT if there is room for connections; cancel it if there is none, or when draining.  Every turn. */
void listen_update(struct frontd *frontd);

/* An ACCEPT completed. */
void listen_accepted(struct frontd *frontd, int result, bool has_more);

#endif
