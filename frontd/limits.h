/*
 * limits: what the configuration lets clients do, in the units of the loop; read at the start and again after a reload.
 */
#ifndef FRONTD_LIMITS_H
#define FRONTD_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/people/password.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

struct frontd;

struct front_limits {
	/* Fixed for the life of the process. */
	uint32_t connections_max;
	uint32_t pipeline_max;
	uint32_t receive_buffers;
	bool accept_oneshot;
	bool is_plain_off;
	bool is_tls_on;
	uint64_t body_memory_bytes;
	bool auth_is_required;     /* auth.mode */
	struct password_source password_source;
	int audit_fd, audit_control_fd; /* <= 0: there is no audit log */

	/* These change with a reload. */
	uint64_t per_address_max;  /* connections from one address; 0: as many as there are */
	uint64_t head_timeout_ns;
	uint64_t body_timeout_ns;
	uint64_t body_rate;        /* bytes a second */
	uint64_t idle_timeout_ns;
	uint64_t send_timeout_ns;
	uint64_t linger_ns;
	uint64_t body_bytes_max;
	uint64_t login_failures;
	uint64_t login_window_ns;
	uint64_t session_idle_ms;  /* of new sessions */
	uint64_t session_max_ms;
	bool audit_data_plane;
	bool audit_goes_on;
	uint64_t handshake_timeout_ns;
	uint32_t handshakes_max;
	uint32_t handshakes_per_turn;
	uint32_t client_users;     /* enum conf_client_users */
	uint32_t metrics_access;   /* enum conf_metrics_access */
	uint32_t metrics_queues_max;
};

/* From the text in descriptor CONF_FD; sets the level of diag lines too.  0, or -1 and a diag. */
int limits_load(struct front_limits *limits);

/* The supervisor has written a new text (registry.config_generation): take what may change. */
void limits_reload(struct frontd *frontd);

#endif
