/*
 * sandbox_calls: which system calls are left, by libseccomp.  Three answers:
 *
 *   allowed    what the table below and the process's own policy list
 *   killed     what only an attacker asks for: another program, a new socket, another process's
 *              memory, the kernel's configuration.  The supervisor says so (killed by signal 31)
 *              and starts a clean process.
 *   refused    everything else, as if the kernel did not have it (ENOSYS), and said in a line.  Not
 *              killed, for a C library or a newer version of it calls things on its own account
 *              (how many CPUs? a newer futex?) and has a way without: an upgrade must not end a
 *              broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "shm/diag.h"
#include "shm/sandbox/sandbox.h"

/* What every process needs, and threads it makes; not those whose policy is_alone. */
static const struct sandbox_call common[] = {
	CALL(read), CALL(write), CALL(writev), CALL(close), CALL(recvmsg), CALL(lseek),
	CALL(pread64),
	/* Memory, but none that could be executed. */
	CALL_IF(mmap, 2, PROT_EXEC, 0), CALL_IF(mprotect, 2, PROT_EXEC, 0),
	CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk),
	/* Time; mostly answered without the kernel. */
	CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep),
	CALL(gettimeofday), CALL(time), CALL(getrandom),
	/* A thread of this process, not a process: CLONE_THREAD. */
	CALL_IF(clone, 0, CLONE_THREAD, CLONE_THREAD),
	CALL_IF(prctl, 0, ~0ull, PR_SET_NAME),
	CALL(futex), CALL(set_robust_list), CALL(rseq), CALL(sched_yield), CALL(sched_getaffinity),
	CALL(getcpu), CALL(membarrier),
	/* qsort() of more than 1 KiB asks how much memory there is. */
	CALL(sysinfo),
	/* Its own signals and end. */
	CALL(rt_sigreturn), CALL(rt_sigprocmask), CALL(rt_sigaction), CALL(sigaltstack),
	CALL(restart_syscall), CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid),
	CALL(geteuid), CALL(getgid), CALL(getegid), CALL(exit), CALL(exit_group),
};

static const int hostile[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(socket),
	SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_register), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kill),
	SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(memfd_create), SCMP_SYS(memfd_secret), SCMP_SYS(setuid), SCMP_SYS(setgid),
	SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(chroot), SCMP_SYS(pivot_root),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(mount_setattr), SCMP_SYS(move_mount),
	SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(quotactl), SCMP_SYS(syslog),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(acct),
	SCMP_SYS(personality), SCMP_SYS(modify_ldt), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(fanotify_init), SCMP_SYS(lookup_dcookie), SCMP_SYS(vmsplice), SCMP_SYS(shmget),
	SCMP_SYS(shmat), SCMP_SYS(msgget), SCMP_SYS(semget),
};

/* --- what is refused --- */

#define LINES_MAX 16

/* In the thread that asked, in the middle of whatever it did: only what is safe there. */
static void
on_refused(int signal, siginfo_t *info, void *context)
{
	/* Of the process: a loop of refused calls must not fill the log. */
	static volatile sig_atomic_t lines, last;
	ucontext_t *thread = context;
	int saved = errno;

	(void)signal;
	if (lines < LINES_MAX && info->si_syscall != last) {
		lines++;
		last = info->si_syscall;
		/* Formatting of numbers and one write(): no memory, no locks, no locale. */
		diag(DIAG_WARNING, "sandbox: system call %d is refused (ausyscall names it)",
		    info->si_syscall);
	}
#if defined(__x86_64__)
	thread->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
	thread->uc_mcontext.regs[0] = (unsigned long long)-ENOSYS;
#else
#error "where does this machine return the result of a system call?"
#endif
	errno = saved;
}

static int
refuse_politely(void)
{
	struct sigaction action = { .sa_sigaction = on_refused,
		.sa_flags = SA_SIGINFO | SA_NODEFER };

	return sigaction(SIGSYS, &action, NULL) == 0 ? 0 : -errno;
}

/* --- the filter --- */

static int
allow(scmp_filter_ctx filter, const struct sandbox_call *calls, size_t count)
{
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		struct scmp_arg_cmp condition = SCMP_CMP64(
		    calls[i].argument, SCMP_CMP_MASKED_EQ, calls[i].mask, calls[i].value);

		if (calls[i].number >= 0)
			result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i].number,
			    calls[i].is_conditional, &condition);
	}
	return result;
}

static bool
is_listed(const struct sandbox_policy *policy, int number)
{
	for (size_t i = 0; i < policy->call_count; i++) {
		if (policy->calls[i].number == number)
			return true;
	}
	return false;
}

static int
kill_for(scmp_filter_ctx filter, const struct sandbox_policy *policy)
{
	int result = 0;

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]) && result == 0; i++) {
		if (hostile[i] >= 0 && !is_listed(policy, hostile[i]))
			result = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, hostile[i], 0);
	}
	return result;
}

static int
fill(scmp_filter_ctx filter, const struct sandbox_policy *policy)
{
	struct scmp_arg_cmp itself = {
		.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()
	};
	int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (result == 0 && !policy->is_alone)
		result = allow(filter, common, sizeof(common) / sizeof(common[0]));
	if (result == 0)
		result = allow(filter, policy->calls, policy->call_count);
	/* abort() and assert() signal the thread that called them. */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, itself);
	/*
	 * Its flags lie in memory, where a filter cannot look: the C library falls back to clone().
	 */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (result == 0)
		result = kill_for(filter, policy);
	return result == 0 ? seccomp_load(filter) : result;
}

int
sandbox_filter(const struct sandbox_policy *policy)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int result;

	if (filter == NULL)
		return -ENOMEM;
	result = refuse_politely();
	if (result == 0)
		result = fill(filter, policy);
	seccomp_release(filter);
	return result;
}
