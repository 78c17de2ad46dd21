/*
 * cgroup_place: the cgroup that we were started in, of the hierarchy that the cpu controller
 * belongs to, and whether it is ours to arrange.  Looks, and changes nothing.
 */
#ifndef CLI_CGROUP_PLACE_H
#define CLI_CGROUP_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* One that lies deeper is as good as none. */
#define CGROUP_OWN_BYTES 384
#define CGROUP_FOLDER_BYTES (CGROUP_OWN_BYTES + 128)

struct cgroup_place {
	bool is_v2;
	char path[CGROUP_OWN_BYTES];   /* as /proc/self/cgroup says it */
	char folder[CGROUP_OWN_BYTES]; /* as we reach it */
};

/* False: there is none that we could reach.  root: as in cgroup.h. */
bool cgroup_place_find(struct cgroup_place *place, const char *root);

/* Of v2.  NULL: nobody else arranges it or is in it; else why not, as the end of a sentence. */
const char *cgroup_place_why_not_ours(const struct cgroup_place *place);

/* What FOLDER/NAME begins with, without the newline at its end; "" when it cannot be read. */
void cgroup_read(const char *folder, const char *name, char *text, size_t capacity);

/* Is the word one of a list? */
bool cgroup_has_word(const char *list, const char *word, const char *separators);

#endif
