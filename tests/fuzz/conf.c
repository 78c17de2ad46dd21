/*
 * conf_load_text() over any bytes: it answers with a configuration or with an error of one line, and what it took, written
 * for the daemons, reads back the same.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static int fd = -1;
	struct conf_error error;
	struct conf conf;
	struct conf copy;

	if (conf_load_text((const char *)bytes, count, "fuzz.ini", &conf, &error) != 0) {
		assert(error.text[0] != '\0' && memchr(error.text, '\0', sizeof(error.text)) != NULL);
		return 0;
	}
	(void)conf_check(&conf, &error); /* either answer is right */
	if (fd < 0)
		fd = memfd_create("conf", 0);
	assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	assert(conf_write_fd(&conf, fd) == 0);
	assert(conf_load_fd(fd, "memfd", &copy, &error) == 0);
	assert(memcmp(&copy, &conf, sizeof(conf)) == 0);
	return 0;
}
