/*
 * diag: lines for the operator, on stderr.  One line says the cause and the cure.  Reported once, where object and errno
 * are both known.  Format: `chasqui[NAME] frontd.0: warning: text`.
 */
#ifndef SHM_DIAG_H
#define SHM_DIAG_H

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_INFO, DIAG_DEBUG };

/* Who is speaking; borrowed for the life of the process.  Before it is called lines begin with `chasqui: `. */
void diag_init(const char *instance, const char *role, unsigned index, enum diag_level level);

/* May be called at run time (reload). */
void diag_set_level(enum diag_level level);

void diag(enum diag_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* diag(DIAG_ERROR) with `: ` and strerror(errno) behind it; errno is kept. */
void diag_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
