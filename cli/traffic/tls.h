/*
 * tls: a connection of traffic that speaks TLS: a new handshake each, no tickets; as send() and
 * recv() to connection.c.
 */
#ifndef TRAFFIC_TLS_H
#define TRAFFIC_TLS_H

#include <sys/types.h>

#include "cli/traffic/driver.h"

/* What traffic->options say about TLS, for all connections.  -1 after traffic_fail(). */
int traffic_tls_start(struct traffic *traffic);
void traffic_tls_stop(struct traffic *traffic);

/* Shake hands; blocking.  -1 after traffic_fail(). */
int traffic_tls_open(struct traffic_connection *connection);
void traffic_tls_close(struct traffic_connection *connection);

/* -1 with errno; 0 of a receive: the end. */
ssize_t traffic_tls_send(struct traffic_connection *connection, const void *bytes, size_t count);
ssize_t traffic_tls_receive(struct traffic_connection *connection, void *room, size_t room_bytes);

#endif
