#include "shm/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIAG_LINE_BYTES 1024

static struct {
	char prefix[160];
	enum diag_level level;
} speaker = { .prefix = "chasqui: ", .level = DIAG_INFO };

static const char *const level_text[] = {
	[DIAG_ERROR] = "error: ",
	[DIAG_WARNING] = "warning: ",
	[DIAG_INFO] = "",
	[DIAG_DEBUG] = "debug: ",
};

void
diag_init(const char *instance, const char *role, unsigned index, enum diag_level level)
{
	snprintf(speaker.prefix, sizeof(speaker.prefix), "chasqui[%s] %s.%u: ", instance, role, index);
	speaker.level = level;
}

void
diag_set_level(enum diag_level level)
{
	speaker.level = level;
}

/* One write() a line, so that lines of several processes on one terminal do not mix. */
static void
diag_line(enum diag_level level, const char *suffix, const char *format, va_list args)
{
	char line[DIAG_LINE_BYTES];
	int used, n;

	used = snprintf(line, sizeof(line), "%s%s", speaker.prefix, level_text[level]);
	n = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
	used = n < 0 || used + n > (int)sizeof(line) - 2 ? (int)sizeof(line) - 2 : used + n;
	if (suffix != NULL) {
		n = snprintf(line + used, sizeof(line) - (size_t)used - 1, ": %s", suffix);
		used = n < 0 || used + n > (int)sizeof(line) - 2 ? (int)sizeof(line) - 2 : used + n;
	}
	line[used++] = '\n';
	/* Nobody is left to tell when stderr itself fails. */
	(void)!write(STDERR_FILENO, line, (size_t)used);
}

void
diag(enum diag_level level, const char *format, ...)
{
	va_list args;

	if (level > speaker.level)
		return;
	va_start(args, format);
	diag_line(level, NULL, format, args);
	va_end(args);
}

void
diag_errno(const char *format, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, format);
	diag_line(DIAG_ERROR, strerror(saved), format, args);
	va_end(args);
	errno = saved;
}
