/*
 * wall_clock: a library for LD_PRELOAD that sets the wall clock of the processes it is loaded into, and of them only: seconds
 * to be added to CLOCK_REALTIME stand as text in the file that WALL_CLOCK_FILE names, and are read again at each call.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long
offset_s(void)
{
	const char *path = getenv("WALL_CLOCK_FILE");
	char text[32] = "";
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? strtol(text, NULL, 10) : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);

	if (real == NULL)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int result = real(clock, now);
	if (result == 0 && clock == CLOCK_REALTIME)
		now->tv_sec += offset_s();
	return result;
}
