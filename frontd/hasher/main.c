/*
 * chasqui-hasher: passwords of one frontd.  Started by `chasqui up` only; see hasher.h.
 */
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "frontd/hasher/hasher.h"
#include "frontd/hasher/sandbox.h"
#include "shm/diag.h"
#include "shm/role.h"

#define NICE 19 /* the last */

/*
 * Behind everybody else, in the cgroup that we were put into (auth.hasher_cgroup) or else in the
 * broker's scheduling group.  Not SCHED_IDLE: the kernel calls a CPU idle on which only such run,
 * and so wakes others on it; where the group is not idle as well they then wait.  Not in a session
 * of our own: its group costs nobody less (docs/performance.md has the rounds of all).
 */
static void
step_back(void)
{
	struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &param) != 0 ||
	    setpriority(PRIO_PROCESS, 0, NICE) != 0)
		diag_errno("the hasher cannot step back behind others: logins may be felt by them");
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
