/*
 * Runs a fuzz target over files instead of mutations: every argument, or every file of the directories among them, once.
 * So gcc without libFuzzer, and `make test`, keep what fuzzing has found from coming back.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	uint8_t *bytes;
	size_t count;

	if (file == NULL || fstat(fileno(file), &status) != 0) {
		perror(path);
		return -1;
	}
	/* Exactly as large as the input, so that a sanitizer sees the first byte read beyond it. */
	bytes = malloc(status.st_size > 0 ? (size_t)status.st_size : 1);
	if (bytes == NULL)
		abort();
	count = fread(bytes, 1, (size_t)status.st_size, file);
	fclose(file);
	/* Seen in the output when the target crashes. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, count);
	free(bytes);
	return 0;
}

static int
replay_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int files = 0;

	if (directory == NULL) {
		perror(path);
		return -1;
	}
	while ((entry = readdir(directory)) != NULL) {
		char file[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (replay_file(file) != 0) {
			closedir(directory);
			return -1;
		}
		files++;
	}
	closedir(directory);
	return files;
}

int
main(int argc, char **argv)
{
	int files = 0;

	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		struct stat status;
		int n;

		if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
			n = replay_directory(argv[i]);
		else
			n = replay_file(argv[i]) == 0 ? 1 : -1;
		if (n < 0)
			return 1;
		files += n;
	}
	printf("%d files, no crash\n", files);
	return 0;
}
