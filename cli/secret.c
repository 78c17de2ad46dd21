/*
 * Happy path at a terminal: echo off, the signals that would end us held back, prompt, read a line,
 * echo on, signals on.
 * Failure modes: ^C while it waits: the terminal is put right first, then the signal does what it
 * always does; ^Z the same, and after `fg` we ask again; the end of the input is no password.
 */
#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

void
secret_wipe(char secret[SECRET_BYTES])
{
	explicit_bzero(secret, SECRET_BYTES);
}

bool
secret_is_word(const char *token)
{
	size_t count = strlen(token);

	for (size_t i = 0; i < count; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return count > 0;
}

bool
secret_is_piped(bool from_stdin)
{
	return from_stdin || !isatty(STDIN_FILENO);
}

/*
 * A line up to its end, which is taken and not kept; byte by byte, so that the next one is there
 * for who reads next.  0, -1 at the end of the input, -2 when it is too long, -3 after an error.
 */
static int
read_line(int fd, char line[SECRET_BYTES])
{
	size_t used = 0;
	char c;

	for (;;) {
		ssize_t got = read(fd, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -3;
		if (got == 0 && used == 0)
			return -1;
		if (got == 0 || c == '\n')
			break;
		if (used == SECRET_BYTES - 1)
			return -2;
		line[used++] = c;
	}
	line[used] = '\0';
	return 0;
}

static bool
line_is_good(int result, const char *line)
{
	if (result == 0 && line[0] != '\0')
		return true;
	if (result == -3)
		fprintf(stderr, "chasqui: cannot read the password: %s\n", strerror(errno));
	else
		fprintf(stderr, "chasqui: %s\n",
		    result == -2 ? "the password is too long" : "no password was given");
	return false;
}

static void
tell(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		return; /* a terminal that takes no prompt may still give an answer */
}

/* Read from a terminal whose echo is off.  1: a signal waits to be let through. */
static int
read_unless_signal(int terminal, int signals, char line[SECRET_BYTES])
{
	struct pollfd events[2] = { { .fd = terminal, .events = POLLIN },
		{ .fd = signals, .events = POLLIN } };

	while (poll(events, 2, -1) < 0)
		if (errno != EINTR)
			return -3;
	return events[1].revents != 0 ? 1 : read_line(terminal, line);
}

/* As read_line(); 1: ask again. */
static int
ask_once(int terminal, const char *prompt, char line[SECRET_BYTES])
{
	struct termios before, silent;
	sigset_t held, mask;
	int signals, result;

	if (tcgetattr(terminal, &before) != 0)
		return -3;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGTSTP);
	signals = signalfd(-1, &held, SFD_CLOEXEC);
	if (signals < 0)
		return -3;
	sigprocmask(SIG_BLOCK, &held, &mask);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	silent.c_lflag |= ICANON | ISIG;
	tcsetattr(terminal, TCSAFLUSH, &silent);
	tell(terminal, prompt);
	result = read_unless_signal(terminal, signals, line);
	tell(terminal, "\n");
	tcsetattr(terminal, TCSAFLUSH, &before);
	close(signals);
	sigprocmask(SIG_SETMASK, &mask, NULL); /* what waited does its work now */
	return result;
}

static bool
ask_terminal(int terminal, const char *prompt, char line[SECRET_BYTES])
{
	int result;

	while ((result = ask_once(terminal, prompt, line)) == 1)
		continue;
	return line_is_good(result, line);
}

bool
secret_password(const char *prompt, bool is_new, bool from_stdin, char password[SECRET_BYTES])
{
	char again[SECRET_BYTES], text[160];
	bool is_same;

	if (secret_is_piped(from_stdin))
		return line_is_good(read_line(STDIN_FILENO, password), password);
	snprintf(text, sizeof(text), "%s: ", prompt);
	if (!ask_terminal(STDIN_FILENO, text, password))
		return false;
	if (!is_new)
		return true;
	snprintf(text, sizeof(text), "%s, again: ", prompt);
	if (!ask_terminal(STDIN_FILENO, text, again)) {
		secret_wipe(password);
		return false;
	}
	is_same = strcmp(password, again) == 0;
	secret_wipe(again);
	if (!is_same) {
		secret_wipe(password);
		fprintf(stderr, "chasqui: these were two different passwords\n");
	}
	return is_same;
}

bool
secret_load(const char *path, char token[SECRET_BYTES])
{
	char bytes[SECRET_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count;
	int error;

	if (fd < 0)
		return false;
	count = read(fd, bytes, sizeof(bytes) - 1);
	error = errno;
	close(fd);
	errno = error;
	if (count < 0)
		return false;
	bytes[count] = '\0';
	char *begin = bytes + strspn(bytes, " \t\r\n");
	begin[strcspn(begin, " \t\r\n")] = '\0';
	/* A second word is not part of any token: this is some other file. */
	char *rest = begin + strlen(begin) + 1;
	bool is_one = rest >= bytes + count || rest[strspn(rest, " \t\r\n")] == '\0';
	bool is_good = is_one && secret_is_word(begin);
	if (is_good)
		strcpy(token, begin);
	else
		errno = EINVAL;
	secret_wipe(bytes);
	return is_good;
}

bool
secret_save(const char *path, const char *token)
{
	char beside[4096];
	char line[SECRET_BYTES + 1];
	int bytes = snprintf(beside, sizeof(beside), "%s.%d", path, (int)getpid());
	int fd = -1;

	if (bytes < (int)sizeof(beside))
		fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	else
		errno = ENAMETOOLONG;

	if (fd < 0) {
		fprintf(stderr, "chasqui: cannot write %s: %s\n", path, strerror(errno));
		return false;
	}
	bytes = snprintf(line, sizeof(line), "%s\n", token);
	bool is_done = write(fd, line, (size_t)bytes) == bytes && fsync(fd) == 0;
	explicit_bzero(line, sizeof(line));
	is_done = close(fd) == 0 && is_done && rename(beside, path) == 0;
	if (!is_done) {
		fprintf(stderr, "chasqui: cannot write %s: %s\n", path, strerror(errno));
		(void)unlink(beside); /* nothing of the secret stays behind */
	}
	return is_done;
}
