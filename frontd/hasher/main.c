/*
 * chasqui-hasher: passwords of one frontd.  Started by `chasqui up` only; see hasher.h.
 */
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "frontd/hasher/hasher.h"
#include "frontd/hasher/sandbox.h"
#include "shm/diag.h"
#include "shm/role.h"

/*
 * Behind everybody else, in the scheduling group that we were put into (auth.hasher_cgroup, or else
 * the broker's).  A session of our own, to which the kernel gives a group, was tried with the lowest
 * weight and is no cure: nobody may interrupt such a group at once (docs/performance.md).
 */
static void
step_back(void)
{
	struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &param) != 0)
		diag_errno("the hasher cannot have SCHED_IDLE: logins may be felt by others");
}

int
main(int argc, char **argv)
{
	static struct hasher hasher; /* wiped job by job */
	struct role role;

	if (role_begin(&role, ROLE_HASHER, argc, argv) != 0)
		return EX_CONFIG;
	hasher.asks = passwords_map_asks(PASSWORD_ASKS_FD, PROT_READ);
	hasher.answers = passwords_map_answers(PASSWORD_ANSWERS_FD, PROT_READ | PROT_WRITE);
	hasher.event_fd = PASSWORD_EVENT_FD;
	hasher.front_event_fd = EVENT_FD(SLOT_FRONT(role.index));
	if (hasher.asks == NULL || hasher.answers == NULL) {
		diag_errno("cannot map the jobs of frontd.%u", role.index);
		return EX_SOFTWARE;
	}
	close(PASSWORD_ASKS_FD);
	close(PASSWORD_ANSWERS_FD);
	step_back();
	if (hasher_init(&hasher) != 0 || hasher_enter_sandbox(&role) != 0)
		return EX_CONFIG;
	hasher_run(&hasher);
	return EX_SOFTWARE;
}
