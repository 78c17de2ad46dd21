/*
 * Happy path: sandbox_enter() goes through the layers in this order, for each may forbid what the
 * one before needs.
 * Failure modes: a layer is refused: said, or fatal (sandbox.mode).  The user cannot be changed to:
 * always fatal, for the data directory was given to that user.
 */
#include "shm/sandbox/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/sandbox/landlock.h"

#if defined(CHASQUI_SANITIZED)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static int
change_user(const struct role *role)
{
	if (setgroups(0, NULL) == 0 && setresgid(role->gid, role->gid, role->gid) == 0 &&
	    setresuid(role->uid, role->uid, role->uid) == 0)
		return 0;
	diag_errno(
	    "cannot become user %u of group %u; set sandbox.mode = off, or start as another user",
	    role->uid, role->gid);
	return -1;
}

/* Root without capabilities is a user like others, but for the files that are root's. */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return (int)syscall(SYS_capset, &header, none);
}

static int
drop_privileges(void)
{
	if (drop_capabilities() != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

/* One layer was entered, or not: then why. */
static uint32_t
note(enum sandbox_layer layer, int result, const char *what, const char *cure)
{
	if (result >= 0)
		return layer;
	diag(DIAG_WARNING, "sandbox: %s: %s; %s", what, strerror(-result), cure);
	return 0;
}

static uint32_t
enter_layers(const struct role *role, const struct sandbox_policy *policy)
{
	uint32_t layers = SANDBOX_REGIONS;

	if (role->has_user)
		layers |= SANDBOX_USER;
	layers |= note(SANDBOX_PRIVILEGES, drop_privileges(), "privileges cannot be dropped",
	    "a security module forbids it");
	layers |= note(SANDBOX_FILES, landlock_enter(policy->directory_fd), "no Landlock",
	    "it needs a kernel with CONFIG_SECURITY_LANDLOCK, and in a container a profile that "
	    "allows landlock_*");
	layers |= note(SANDBOX_CALLS, sandbox_filter(policy), "no filter of system calls",
	    "it needs a kernel with CONFIG_SECCOMP_FILTER, and in a container a profile that "
	    "allows seccomp");
	if (policy->has_ring)
		layers |= note(SANDBOX_RING, policy->ring_is_restricted ? 0 : -EINVAL,
		    "io_uring is not restricted", "it needs Linux 5.10");
	return layers;
}

static uint32_t
wanted_layers(const struct role *role, const struct sandbox_policy *policy)
{
	return SANDBOX_REGIONS | SANDBOX_PRIVILEGES | SANDBOX_FILES | SANDBOX_CALLS |
	    (role->has_user ? SANDBOX_USER : 0) | (policy->has_ring ? SANDBOX_RING : 0);
}

static void
show(struct role *role, uint32_t layers)
{
	if (role->stats.shared != NULL)
		store_relaxed(&role->stats.shared->sandbox, layers);
}

int
sandbox_enter(struct role *role, const struct sandbox_policy *policy)
{
	show(role, role->is_handed ? SANDBOX_REGIONS : 0);
	if (role->is_thread)
		return 0;
	if (IS_SANITIZED || role->sandbox_mode == SANDBOX_MODE_OFF) {
		if (IS_SANITIZED)
			diag(DIAG_INFO,
			    "sandbox: off, for a sanitizer needs files and system calls of its "
			    "own");
		return role->sandbox_mode == SANDBOX_MODE_REQUIRED ? -1 : 0;
	}
	/* glibc reads the time zone's file at the first date that is written, and then could not. */
	tzset();
	if (role->has_user && (change_user(role) != 0 || role_follow_parent(role) != 0))
		return -1;
	uint32_t layers = enter_layers(role, policy);
	show(role, layers);
	if (role->sandbox_mode != SANDBOX_MODE_REQUIRED || layers == wanted_layers(role, policy))
		return 0;
	diag(DIAG_ERROR,
	    "sandbox.mode = required, and something of it is missing; set sandbox.mode = auto to "
	    "go on without");
	return -1;
}
