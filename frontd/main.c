/*
 * chasqui-frontd: HTTP in, HTTP out.  Started by `chasqui up` only; see shm/role.h.
 */
#include "frontd/frontd.h"

int
main(int argc, char **argv)
{
	static struct role role;
	struct front_limits limits;

	if (role_start(&role, ROLE_FRONT, argc, argv) != 0)
		return EXIT_REFUSED;
	if (limits_load(&limits) != 0)
		return EXIT_REFUSED;
	int exit_code = frontd_run(&role, &limits, limits.is_plain_off ? -1 : LISTEN_FD);
	role_detach(&role);
	return exit_code;
}
