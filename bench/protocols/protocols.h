/*
 * protocols: how the traffic speaks to the other brokers.  Written by hand, like the HTTP of cli/traffic/http.c, so that no client library
 * is measured; each does what its broker's documents tell a careful client to do.
 *
 *   resp       Redis streams: XADD; XREADGROUP COUNT batch, then XACK and XDEL of what came (a queue forgets what is done)
 *   nats       JetStream, a work queue on file or memory ("file", "memory"): publish with its ack; pull of a batch, each
 *              message acknowledged and that answered (double ack)
 *   amqp       0-9-1: confirms; consume with a prefetch of `batch`, an ack each.  An ack has no answer: it counts when sent.
 *              "quorum", "classic", "transient" (classic, delivery mode 1)
 *   beanstalk  put; reserve, delete
 */
#ifndef BENCH_PROTOCOLS_H
#define BENCH_PROTOCOLS_H

#include "cli/traffic/driver.h"

extern const struct traffic_driver protocol_resp;
extern const struct traffic_driver protocol_nats;
extern const struct traffic_driver protocol_amqp;
extern const struct traffic_driver protocol_beanstalk;

/* The whole RESP value that bytes begin with: its size; 0 while it is not all there, TRAFFIC_BROKEN where it is none. */
size_t resp_value(const char *bytes, size_t count);

/* The whole NATS operation, with its payload. */
size_t nats_operation(const char *bytes, size_t count);

/* The whole AMQP frame. */
size_t amqp_frame(const char *bytes, size_t count);

/* The whole beanstalkd answer, with its body. */
size_t beanstalk_answer(const char *bytes, size_t count);

#endif
