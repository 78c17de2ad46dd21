/* chasqui: the operator's program.  `up` is the supervisor; everything else asks shared memory, HTTP or a daemon's --check. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

int
main(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		fprintf(stderr, "usage: chasqui VERB ...; chasqui help lists the verbs\n");
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return verb_help(1, argv);
	if (strcmp(argv[1], "--version") == 0)
		return verb_version(1, argv);
	verb = verb_find(argv[1]);
	if (verb == NULL) {
		fprintf(stderr, "chasqui: there is no verb %s; chasqui help lists them\n", argv[1]);
		return CLI_USAGE;
	}
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return verb_help(2, (char *[]){ "help", argv[1], NULL });
	return verb->run(argc - 1, argv + 1);
}
