#include "cli/supervisor/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/diag.h"

int
conf_source_load(const struct conf_source *source, struct conf *conf, struct conf_error *error)
{
	if (source->file != NULL) {
		if (conf_load_file(source->file, conf, error) != 0)
			return -1;
	} else {
		conf_defaults(conf);
	}
	for (unsigned i = 0; i < source->assignment_count; i++) {
		if (conf_set(conf, source->assignments[i], error) != 0)
			return -1;
	}
	return conf_check(conf, error);
}

/* Copy one option, through its text: what a file could not say is no value. */
static void
take_over(struct conf *running, const struct conf *wanted, unsigned option)
{
	char value[CONF_TEXT_BYTES], assignment[2 * CONF_TEXT_BYTES];
	struct conf_error error;

	conf_option_format(wanted, option, value);
	snprintf(assignment, sizeof(assignment), "%s.%s=%s", conf_option_section(option), conf_option_key(option), value);
	int result = conf_set(running, assignment, &error);
	assert(result == 0);
	(void)result;
}

struct reload_result
reload_apply(struct conf *running, const struct conf *wanted)
{
	struct reload_result result = { 0 };
	char before[CONF_TEXT_BYTES], after[CONF_TEXT_BYTES];

	for (unsigned i = 0; i < conf_option_count(); i++) {
		const char *section = conf_option_section(i), *key = conf_option_key(i);

		if (conf_option_is_equal(i, running, wanted))
			continue;
		conf_option_format(running, i, before);
		conf_option_format(wanted, i, after);
		if (!conf_option_is_reloadable(i)) {
			diag(DIAG_WARNING, "%s.%s = %s needs a restart; it stays %s", section, key, after, before);
			result.needs_restart++;
			continue;
		}
		take_over(running, wanted, i);
		diag(DIAG_INFO, "%s.%s = %s is reloaded; it was %s", section, key, after, before);
		result.reloaded++;
	}
	return result;
}

int
reload_write(const struct conf *conf, int conf_fd)
{
	char text[CONF_FILE_BYTES_MAX];
	int draft_fd = memfd_create("chasqui.conf.new", MFD_CLOEXEC), result = -1;
	ssize_t count;

	if (draft_fd < 0 || conf_write_fd(conf, draft_fd) != 0)
		goto out;
	count = pread(draft_fd, text, sizeof(text), 0);
	/* In one write, and only then cut: a reader sees the old or the new text, or the new one with a tail of the old. */
	if (count > 0 && pwrite(conf_fd, text, (size_t)count, 0) == count && ftruncate(conf_fd, count) == 0)
		result = 0;
out:
	if (result != 0)
		diag_errno("cannot write the configuration for the daemons");
	if (draft_fd >= 0)
		close(draft_fd);
	return result;
}
