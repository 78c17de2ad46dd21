/*
 * landlock: taking files and the network away from this process by the kernel's Landlock (Linux
 * 5.13 and newer; what a later one added is used where it is there).  Not for threads that run
 * already: call it before any is made.
 */
#ifndef SHM_LANDLOCK_H
#define SHM_LANDLOCK_H

/*
 * From now on no file or directory can be opened, made, renamed or removed but below directory_fd
 * (-1: none at all), no TCP port bound or connected to, no process signalled and no abstract socket
 * reached outside.  What is open stays open. Needs no_new_privs.  The version of Landlock that is
 * in force, or -errno: ENOSYS not built in, EOPNOTSUPP switched off at boot, EPERM forbidden by a
 * container's profile.
 */
int landlock_enter(int directory_fd);

#endif
