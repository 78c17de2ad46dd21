#include "tests/harness/leftovers.h"

#include <check.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WATCHED_MAX = 4096, BEGIN_BYTES = 64 };

/* Shared with the tests, which run one at a time, each in a process of its own. */
static struct watched {
	unsigned count;
	char begin[WATCHED_MAX][BEGIN_BYTES];
} *watched;

void
leftovers_begin(void)
{
	watched = mmap(NULL, sizeof(*watched), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (watched == MAP_FAILED)
		watched = NULL; /* then nobody clears up behind a test that fails */
}

void
leftovers_watch(const char *path_begin)
{
	if (watched == NULL)
		return;
	ck_assert_uint_lt(watched->count, WATCHED_MAX);
	ck_assert_uint_lt(strlen(path_begin), BEGIN_BYTES);
	snprintf(watched->begin[watched->count], BEGIN_BYTES, "%s", path_begin);
	watched->count++;
}

void
leftovers_instance(char *name, size_t size)
{
	char begin[BEGIN_BYTES];

	snprintf(name, size, "unit-%ld", (long)getpid());
	snprintf(begin, sizeof(begin), "/dev/shm/chasqui.%s.", name);
	leftovers_watch(begin);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

unsigned
leftovers_remove(void)
{
	char pattern[BEGIN_BYTES + 1];
	unsigned removed = 0;
	glob_t found;

	for (unsigned i = 0; watched != NULL && i < watched->count; i++) {
		snprintf(pattern, sizeof(pattern), "%s*", watched->begin[i]);
		if (glob(pattern, 0, NULL, &found) != 0)
			continue; /* nothing is there, as should be */
		for (size_t k = 0; k < found.gl_pathc; k++)
			removed += nftw(found.gl_pathv[k], remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
		globfree(&found);
	}
	return removed;
}
