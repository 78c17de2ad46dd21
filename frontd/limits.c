#include "frontd/limits.h"

#include "conf/conf.h"
#include "frontd/frontd.h"
#include "shm/atomic.h"
#include "shm/diag.h"

#define LINGER_NS (2 * NS_PER_S)

_Static_assert((int)METRICS_ADMIN == CONF_METRICS_ADMIN && (int)METRICS_USERS == CONF_METRICS_USERS &&
    (int)METRICS_ANY == CONF_METRICS_ANY && (int)METRICS_OFF == CONF_METRICS_OFF, "the same words");

int
limits_load(struct front_limits *limits)
{
	struct sockaddr_storage unused;
	struct conf conf;
	struct conf_error error;

	if (conf_load_fd(CONF_FD, "configuration", &conf, &error) != 0) {
		diag(DIAG_ERROR, "%s", error.text);
		return -1;
	}
	diag_set_level((enum diag_level)conf.log_level);
	*limits = (struct front_limits){
		.connections_max = (uint32_t)conf.server_max_connections,
		.pipeline_max = (uint32_t)conf.server_pipeline,
		.receive_buffers = (uint32_t)conf.server_receive_buffers,
		.accept_oneshot = conf.server_accept == CONF_ACCEPT_ONESHOT,
		.is_plain_off = conf_listen_address(&conf, &unused) == 0,
		.is_tls_on = conf_tls_address(&conf, &unused) != 0,
		.body_memory_bytes = conf.server_body_memory,
		.per_address_max = conf.server_max_connections_per_address,
		.head_timeout_ns = conf.server_head_timeout_ms * NS_PER_MS,
		.body_timeout_ns = conf.server_body_timeout_ms * NS_PER_MS,
		.body_rate = conf.server_body_rate,
		.idle_timeout_ns = conf.server_idle_timeout_ms * NS_PER_MS,
		.send_timeout_ns = conf.server_send_timeout_ms * NS_PER_MS,
		.linger_ns = LINGER_NS,
		.body_bytes_max = conf.server_max_body,
		.auth_is_required = conf.auth_mode != CONF_AUTH_OFF,
		.password_source = { .asks_fd = PASSWORD_ASKS_FD, .answers_fd = PASSWORD_ANSWERS_FD,
		    .event_fd = PASSWORD_EVENT_FD },
		.login_failures = conf.auth_login_failures,
		.login_window_ns = conf.auth_login_window_ms * NS_PER_MS,
		.session_idle_ms = conf.auth_session_idle_ms,
		.session_max_ms = conf.auth_session_max_ms,
		.audit_fd = AUDIT_FD,
		.audit_control_fd = AUDIT_CONTROL_FD,
		.audit_data_plane = conf.audit_data_plane == CONF_AUDIT_ALL,
		.audit_goes_on = conf.audit_on_failure == CONF_AUDIT_GO_ON,
		.handshake_timeout_ns = conf.tls_handshake_timeout_ms * NS_PER_MS,
		.handshakes_max = (uint32_t)conf.tls_handshakes,
		.handshakes_per_turn = (uint32_t)conf.tls_handshakes_per_turn,
		.client_users = (uint32_t)conf.tls_client_users,
		.metrics_access = (uint32_t)conf.metrics_access,
		.metrics_queues_max = (uint32_t)conf.metrics_queues,
	};
	return 0;
}

void
limits_reload(struct frontd *frontd)
{
	struct front_limits fresh, *limits = &frontd->limits;
	/* The new text is whole before its generation is.  Pairs with the supervisor's store_release. */
	uint64_t generation = load_acquire(&frontd->role->registry.shared->config_generation);

	if (generation == frontd->config_generation || frontd->role->is_thread)
		return;
	frontd->config_generation = generation;
	if (limits_load(&fresh) != 0)
		return; /* reported; the old ones stay */
	limits->per_address_max = fresh.per_address_max;
	limits->head_timeout_ns = fresh.head_timeout_ns;
	limits->body_timeout_ns = fresh.body_timeout_ns;
	limits->body_rate = fresh.body_rate;
	limits->idle_timeout_ns = fresh.idle_timeout_ns;
	limits->send_timeout_ns = fresh.send_timeout_ns;
	limits->body_bytes_max = fresh.body_bytes_max;
	limits->login_failures = fresh.login_failures;
	limits->login_window_ns = fresh.login_window_ns;
	limits->session_idle_ms = fresh.session_idle_ms;
	limits->session_max_ms = fresh.session_max_ms;
	limits->audit_data_plane = fresh.audit_data_plane;
	limits->audit_goes_on = fresh.audit_goes_on;
	limits->handshake_timeout_ns = fresh.handshake_timeout_ns;
	limits->handshakes_max = fresh.handshakes_max;
	limits->handshakes_per_turn = fresh.handshakes_per_turn;
	limits->client_users = fresh.client_users;
	limits->metrics_access = fresh.metrics_access;
	limits->metrics_queues_max = fresh.metrics_queues_max;
	heads_forget(frontd);
}
