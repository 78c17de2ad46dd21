/* connection: a socket and its two buffers, blocking while hands are shaken, not blocking while it is measured. */
#ifndef TRAFFIC_CONNECTION_H
#define TRAFFIC_CONNECTION_H

#include "cli/traffic/driver.h"

/* Connect and take memory; blocking.  -1 after traffic_fail(); connection_close() in any case. */
int connection_open(struct traffic_connection *connection, struct traffic *traffic, uint32_t index, bool is_consumer);
void connection_close(struct traffic_connection *connection);

/* From now on events come to traffic->epoll_fd.  -1 after traffic_fail(). */
int connection_watch(struct traffic_connection *connection);

/* Send what the socket takes.  -1: it is broken. */
int connection_flush(struct traffic_connection *connection);

/* Read once, as much as there is.  -1: it is broken or closed. */
int connection_fill(struct traffic_connection *connection);

#endif
