/*
 * chasqui-frontd: HTTP in, HTTP out.  Started by `chasqui up` only; see shm/role.h.
 */
#include <malloc.h>

#include "frontd/frontd.h"

/* Between small blocks that stay, large ones that come and go would leave holes: they get pages of their own. */
#define PAGES_BYTES (1 << 20)

/* What a turn gives back the next one takes again; memory_trim() gives back what a moment of many took. */
#define TRIM_BYTES (4 << 20)

int
main(int argc, char **argv)
{
	static struct role role;
	struct front_limits limits;

	(void)mallopt(M_MMAP_THRESHOLD, PAGES_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	if (role_start(&role, ROLE_FRONT, argc, argv) != 0)
		return EXIT_REFUSED;
	if (limits_load(&limits) != 0)
		return EXIT_REFUSED;
	role_step_over(&role, "configuration");
	int exit_code = frontd_run(&role, &limits, limits.is_plain_off ? -1 : LISTEN_FD);
	role_detach(&role);
	return exit_code;
}
