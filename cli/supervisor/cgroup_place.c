#include "cli/supervisor/cgroup_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

bool
cgroup_has_word(const char *list, const char *word, const char *separators)
{
	size_t word_bytes = strlen(word);

	while (*list != '\0') {
		size_t bytes = strcspn(list, separators);

		if (bytes == word_bytes && strncmp(list, word, bytes) == 0)
			return true;
		list += bytes + strspn(list + bytes, separators);
	}
	return false;
}

void
cgroup_read(const char *folder, const char *name, char *text, size_t capacity)
{
	char path[CGROUP_FOLDER_BYTES + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, capacity - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
}

/* --- where we are --- */

/*
 * Lines `1:cpu,cpuacct:/path` (v1) and `0::/path` (v2); a controller belongs to one hierarchy only.
 */
static bool
read_path(struct cgroup_place *place, const char *root)
{
	char name[PATH_MAX], line[CGROUP_OWN_BYTES + 64];
	bool is_found = false;

	snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
	FILE *file = fopen(name, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL;

		if (path == NULL)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		bool is_v1 = cgroup_has_word(list + 1, "cpu", ",");
		if (!is_v1 && (list[1] != '\0' || is_found))
			continue;
		place->is_v2 = !is_v1;
		if (strlen(path) >= sizeof(place->path))
			continue;
		strcpy(place->path, path);
		is_found = true;
		if (is_v1)
			break;
	}
	if (file != NULL)
		fclose(file);
	return is_found;
}

/* What stands behind `root` in `path`; NULL: it is not below it. */
static const char *
path_below(const char *path, const char *root)
{
	size_t bytes = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, bytes) != 0 || (path[bytes] != '/' && path[bytes] != '\0'))
		return NULL;
	return strcmp(path + bytes, "/") == 0 ? "" : path + bytes;
}

/* `32 31 0:29 ROOT POINT rw,relatime - cgroup cgroup rw,cpu` */
static bool
is_mount_of(struct cgroup_place *place, const char *line, const char *root)
{
	char mount_root[CGROUP_OWN_BYTES], point[CGROUP_OWN_BYTES], type[16], options[256];
	const char *rest = strstr(line, " - "), *below;

	if (rest == NULL || sscanf(line, "%*s %*s %*s %383s %383s", mount_root, point) != 2 ||
	    sscanf(rest, " - %15s %*s %255s", type, options) != 2 ||
	    strcmp(type, place->is_v2 ? "cgroup2" : "cgroup") != 0 ||
	    (!place->is_v2 && !cgroup_has_word(options, "cpu", ",")))
		return false;
	below = path_below(place->path, mount_root);
	if (below == NULL || strlen(root) + strlen(point) + strlen(below) >= sizeof(place->folder))
		return false;
	strcpy(stpcpy(stpcpy(place->folder, root), point), below);
	return true;
}

bool
cgroup_place_find(struct cgroup_place *place, const char *root)
{
	char name[PATH_MAX], line[PATH_MAX];
	bool is_found = false;

	if (!read_path(place, root))
		return false;
	snprintf(name, sizeof(name), "%s/proc/self/mountinfo", root);
	FILE *file = fopen(name, "re");
	while (!is_found && file != NULL && fgets(line, sizeof(line), file) != NULL)
		is_found = is_mount_of(place, line, root);
	if (file != NULL)
		fclose(file);
	return is_found;
}

/* --- is it ours? --- */

static bool
says_it_is_delegated(const char *folder)
{
	static const char *const names[] = { "user.delegate", "trusted.delegate" };
	char value[4];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (getxattr(folder, names[i], value, sizeof(value)) == 1 && value[0] == '1')
			return true;
	}
	return false;
}

/*
 * The root that a container sees is a cgroup like others, and has a type; the machine's own root
 * has none.
 */
static bool
is_root_of_container(const struct cgroup_place *place)
{
	char type[16];

	cgroup_read(place->folder, "cgroup.type", type, sizeof(type));
	return strcmp(place->path, "/") == 0 && type[0] != '\0';
}

static bool
we_are_alone(const char *folder)
{
	char text[64], us[16];

	cgroup_read(folder, "cgroup.procs", text, sizeof(text));
	snprintf(us, sizeof(us), "%d", (int)getpid());
	return strcmp(text, us) == 0;
}

/*
 * Ours of an earlier life, and what systemd runs ExecReload= in; any other was made by somebody
 * else.
 */
static bool
has_folder_of_others(const char *folder)
{
	DIR *directory = opendir(folder);
	bool is_found = false;

	for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
		is_found |= entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, "broker") != 0 && strcmp(entry->d_name, "hashers") != 0;
	if (directory != NULL)
		closedir(directory);
	return directory == NULL || is_found;
}

const char *
cgroup_place_why_not_ours(const struct cgroup_place *place)
{
	char controllers[256];

	cgroup_read(place->folder, "cgroup.controllers", controllers, sizeof(controllers));
	if (!says_it_is_delegated(place->folder) && !is_root_of_container(place))
		return "is not delegated to the broker (Delegate=cpu)";
	if (!we_are_alone(place->folder))
		return "has other processes in it";
	if (has_folder_of_others(place->folder))
		return "has other cgroups in it";
	if (!cgroup_has_word(controllers, "cpu", " "))
		return "does not have the cpu controller";
	return NULL;
}
