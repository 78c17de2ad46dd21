/*
 * chasqui-frontd: HTTP in, HTTP out.  Started by `chasqui up` only; see shm/role.h.
 */
#include "conf/conf.h"
#include "frontd/frontd.h"
#include "shm/diag.h"

static struct front_limits
limits_of(const struct conf *conf)
{
	return (struct front_limits){
		.connections_max = (uint32_t)conf->server_max_connections,
		.pipeline_max = (uint32_t)conf->server_pipeline,
		.receive_buffers = (uint32_t)conf->server_receive_buffers,
		.accept_oneshot = conf->server_accept == CONF_ACCEPT_ONESHOT,
		.head_timeout_ns = conf->server_head_timeout_ms * NS_PER_MS,
		.body_timeout_ns = conf->server_body_timeout_ms * NS_PER_MS,
		.body_rate = conf->server_body_rate,
		.idle_timeout_ns = conf->server_idle_timeout_ms * NS_PER_MS,
		.send_timeout_ns = conf->server_send_timeout_ms * NS_PER_MS,
		.linger_ns = 2 * NS_PER_S,
		.body_bytes_max = conf->server_max_body,
		.body_memory_bytes = conf->server_body_memory,
	};
}

int
main(int argc, char **argv)
{
	static struct role role;
	struct conf conf;
	struct conf_error error;

	if (role_start(&role, ROLE_FRONT, argc, argv) != 0)
		return EXIT_REFUSED;
	if (conf_load_fd(CONF_FD, "configuration", &conf, &error) != 0) {
		diag(DIAG_ERROR, "%s", error.text);
		return EXIT_REFUSED;
	}
	diag_set_level((enum diag_level)conf.log_level);
	struct front_limits limits = limits_of(&conf);
	int exit_code = frontd_run(&role, &limits, LISTEN_FD);
	role_detach(&role);
	return exit_code;
}
