/*
 * handed: regions that a process is given instead of opening them.  The supervisor opens each with
 * exactly the rights that the process has on it (cli/supervisor/descriptors.h has the table) and sends the
 * descriptors, with their names, through a socket that the process inherits as HAND_FD.  A
 * descriptor for reading only cannot be made one for writing, nor can its mapping: what a process
 * was given is all it can ever reach, whatever it is made to do.
 *
 * The regions there are at its start come in one go, before it runs; front.I.E of a frontd that is
 * started later comes while its peers run, before the registry says that it exists.  A descriptor
 * is needed until its region is mapped.
 *
 * Tests that run a role as a thread, and the command line, are handed nothing: they open by name
 * (region.h).
 */
#ifndef SHM_HANDED_H
#define SHM_HANDED_H

#include <stdbool.h>

#define HANDED_NAME_BYTES 40

struct handed_region {
	char name[HANDED_NAME_BYTES]; /* without chasqui.INSTANCE. */
	int fd;
};

/*
 * The supervisor's: send them; the descriptors stay the caller's.  Does not wait.  0, or -1 and
 * errno.
 */
int handed_send(int socket, const struct handed_region *regions, unsigned count);

/*
 * Take what lies in the socket; does not wait.  From the first call on this process opens no region
 * by name.  A front takes the place of the incarnation before it, which nobody needs any more.  0,
 * or -1 and errno.
 */
int handed_take(int socket);

/* True once handed_take() was called. */
bool handed_is_all(void);

/* Borrowed until handed_forget(); -1 and ENOENT if it was not handed over. */
int handed_find(const char *name);
bool handed_is_ours(int fd);

/* Close those whose names begin with prefix; "": all. */
void handed_forget(const char *prefix);

#endif
