/* The table of verbs, what they take, and what can be configured. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "conf/conf.h"

static const struct verb verbs[] = {
	{ "up", verb_up, "up [-c FILE] [-o section.key=value]... [--new-admin-token]", "run a broker in the foreground, until SIGTERM" },
	{ "down", verb_down, "down [-i NAME] [--timeout SECONDS]", "stop a broker and wait until it is gone" },
	{ "status", verb_status, "status [-i NAME] [--json]", "its processes, from shared memory" },
	{ "stats", verb_stats, "stats [-i NAME] [--json]", "counters and latencies, from shared memory" },
	{ "check", verb_check, "check [-i NAME] [-c FILE] [-o section.key=value]... [--repair] [DIRECTORY | BACKUP]",
	  "verify the journal and, while no broker runs, the shared memory it left; or a backup" },
	{ "backup", verb_backup, "backup FILE [-i NAME] [-c FILE] [-o section.key=value]... [--data DIRECTORY] [--rate BYTES]",
	  "copy a broker's data into one file, while it runs or not" },
	{ "restore", verb_restore, "restore FILE [-c FILE] [-o section.key=value]... [--data DIRECTORY]",
	  "make a data directory of a backup" },
	{ "queue", verb_queue,
	  "queue ls [PREFIX]\n"
	  "queue show QUEUE\n"
	  "queue create QUEUE [--replace] [FIELD=VALUE]...\n"
	  "queue rm QUEUE\n"
	  "queue purge QUEUE [--state ready,delayed,dead,leased] [--older-than DURATION]",
	  "queues, over HTTP" },
	{ "msg", verb_msg,
	  "msg put QUEUE [BODY | -f FILE] [-t CONTENT-TYPE] [-a NAME=VALUE]... [--delay DURATION]\n"
	  "msg get QUEUE [-n MAX] [--wait DURATION] [--lease DURATION] [--keep-lease]\n"
	  "msg ack QUEUE RECEIPT...\n"
	  "msg nack QUEUE RECEIPT [--mode release|fail] [--delay DURATION]",
	  "messages, over HTTP; get acknowledges what it has printed, unless --keep-lease" },
	{ "user", verb_user,
	  "user ls [PREFIX]\n"
	  "user show [USER]\n"
	  "user create USER [--no-password | --password-stdin] [role=admin] [creates=PATTERN,...] [quotas.NAME=VALUE]...\n"
	  "user passwd [USER] [--password-stdin]\n"
	  "user set USER FIELD=VALUE...\n"
	  "user disable USER\n"
	  "user enable USER\n"
	  "user rm USER",
	  "who may use the broker; a password is asked for, or read from stdin" },
	{ "token", verb_token,
	  "token ls [USER]\n"
	  "token create NAME [USER] [--scope VERB:PATTERN]... [--expires-in DURATION] [--save FILE]\n"
	  "token rm ID",
	  "keys for programs; a new one is printed once, or saved for its owner alone" },
	{ "session", verb_session,
	  "session login USER [--password-stdin] [--save FILE]\n"
	  "session ls [USER]\n"
	  "session rm ID | current",
	  "logging in and out; the session is printed, or saved for its owner alone" },
	{ "grant", verb_grant,
	  "grant ls QUEUE\n"
	  "grant set QUEUE USER publish|consume|browse|manage...\n"
	  "grant rm QUEUE USER",
	  "what others may do with a queue" },
	{ "snapshot", verb_snapshot, "snapshot ask\nsnapshot ls", "ask for a snapshot of each shard now; show the newest ones" },
	{ "bench", verb_bench,
	  "bench [publish|consume|e2e] [connections=64] [window=1] [size=1024] [batch=1] [seconds=5] [rate=N]\n"
	  "bench ... [durability=memory | queue=NAME --existing] [--json]",
	  "how fast a broker is, over HTTP: rate and latency, on a queue of its own that it deletes" },
	{ "help", verb_help, "help [VERB | options]", "this text; what a verb takes; what can be configured" },
	{ "version", verb_version, "version", "the version of this program" },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* What `help VERB` says besides, of verbs that are not used every day. */
static const struct {
	const char *verb;
	const char *text;
} details[] = {
	{ "backup",
	  "\n"
	  "  FILE             must not exist; it is FILE.partial until it is whole, verified and on\n"
	  "                   stable storage.  `-`: stdout, such as for a pipe to age, gpg or ssh\n"
	  "  --rate 50MiB     so many bytes a second and no more, for the sake of the clients\n"
	  "  --data DIRECTORY of a broker that is stopped (or -c FILE)\n"
	  "\n"
	  "Of a broker that runs all that was acknowledged before is in it.  It holds messages and\n"
	  "the hashes of passwords and tokens: keep it as you keep the data directory.\n"
	  "\n"
	  "Exit codes: 0 done; 65 the journal is damaged; 73 FILE cannot be made, or its disk is\n"
	  "full; 75 the directory is in use, or the broker is starting; 78 there is no store.\n" },
	{ "restore",
	  "\n"
	  "  FILE             a backup; `-`: stdin\n"
	  "  --data DIRECTORY empty or not there (or -c FILE: its data.directory)\n"
	  "\n"
	  "What is made is another store, for `chasqui up` with the same number of shards: messages,\n"
	  "users, passwords, tokens, sessions and grants as they were when the backup began.  Leases\n"
	  "end, and receipts from before are refused.  What was revoked later is good again.\n"
	  "\n"
	  "Exit codes: 0 done; 65 the backup is damaged; 73 the directory is not empty, cannot be\n"
	  "made, or its disk is full.\n" },
	{ "user",
	  "\n"
	  "  role=admin               may do everything; else role=user\n"
	  "  creates=PATTERN,...      names of queues that the user may create; NAME,NAME.# unless given\n"
	  "  quotas.queues=N          also stored_bytes, connections, messages_per_second,\n"
	  "                           bytes_per_second; null is no limit\n"
	  "\n"
	  "In a pattern * is one word between dots, # any number of them.  Without USER `show` and\n"
	  "`passwd` are about yourself; your own password is changed by who knows it.\n" },
	{ "token",
	  "\n"
	  "  --scope VERB:PATTERN     publish, consume, browse, manage or * on queues of these names;\n"
	  "                           or `admin`; or `metrics`; or `*`, which is all that the user\n"
	  "                           may, and what a token may without --scope\n"
	  "  --expires-in 90d         else it does not expire\n"
	  "  --save FILE              readable by you alone; else it is printed, this once\n" },
	{ "session",
	  "\n"
	  "A session ends when it is not used (auth.session_idle), after auth.session_max, and when the\n"
	  "password changes.  `rm current` ends the one that asks: give its --token-file.\n" },
	{ "grant",
	  "\n"
	  "  publish   publish            consume   receive and settle\n"
	  "  browse    look at the queue  manage    configure, purge, delete, grant\n"
	  "\n"
	  "`set` replaces what was granted before.  The owner of a queue and admins may do all of it.\n" },
};

static void
print_details(const char *verb)
{
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
		if (strcmp(details[i].verb, verb) == 0)
			fputs(details[i].text, stdout);
}

const struct verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void
print_synopsis(FILE *file, const struct verb *verb)
{
	const char *prefix = "usage: ";

	for (const char *line = verb->synopsis; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		fprintf(file, "%schasqui %.*s\n", prefix, (int)strcspn(line, "\n"), line);
		prefix = "       ";
	}
}

int
verb_usage(const char *name)
{
	print_synopsis(stderr, verb_find(name));
	return CLI_USAGE;
}

/* The table of docs/operations.md. */
static void
print_options(void)
{
	struct conf conf;
	char range[CONF_TEXT_BYTES];

	conf_defaults(&conf);
	printf("| option | default | allowed | takes effect | meaning |\n|---|---|---|---|---|\n");
	for (unsigned i = 0; i < conf_option_count(); i++) {
		conf_option_range(i, range);
		for (char *bar = strchr(range, '|'); bar != NULL; bar = strchr(bar, '|'))
			*bar = ',';
		printf("| `%s.%s` | `%s` | %s | %s | %s |\n", conf_option_section(i), conf_option_key(i),
		    conf_option_default(i), range, conf_option_is_reloadable(i) ? "SIGHUP" : "restart", conf_option_help(i));
	}
}

int
verb_version(int argc, char **argv)
{
	(void)argc; /* the signature of all verbs */
	(void)argv;
	printf("chasqui %s\n", CHASQUI_VERSION);
	return CLI_OK;
}

int
verb_help(int argc, char **argv)
{
	const struct verb *verb;

	if (argc > 1 && strcmp(argv[1], "options") == 0) {
		print_options();
		return CLI_OK;
	}
	if (argc > 1) {
		verb = verb_find(argv[1]);
		if (verb == NULL) {
			fprintf(stderr, "chasqui: there is no verb %s; see chasqui help\n", argv[1]);
			return CLI_USAGE;
		}
		print_synopsis(stdout, verb);
		printf("%s\n", verb->help);
		print_details(verb->name);
		return CLI_OK;
	}
	printf("chasqui VERB ...: a message broker.  First: chasqui up -c FILE\n\n");
	for (size_t i = 0; i < VERB_COUNT; i++)
		printf("  %-8s %s\n", verbs[i].name, verbs[i].help);
	printf("\n  -i NAME  the broker's instance.name (default `default`)\n"
	       "  --json   for programs: status, stats and all that is asked over HTTP\n\n"
	       "Over HTTP (queue, msg, user, token, session, grant, snapshot, bench):\n"
	       "  --url U            another broker, such as http://127.0.0.1:4000\n"
	       "  --ca FILE, --cert FILE, --key FILE\n"
	       "                     at https://: the authority of its certificate; your own certificate and key\n"
	       "  --user NAME        ask as this user; the password is asked for, or read from stdin (--password-stdin)\n"
	       "  --token-file FILE  ask with the token in this file; else that in CHASQUI_TOKEN, else in the file that\n"
	       "                     CHASQUI_TOKEN_FILE names, else the admin token of the broker here, if you may read it\n\n"
	       "Exit codes: 0 done, 1 failed or refused, 2 wrong command line, 69 not running, 78 wrong configuration.\n");
	return CLI_OK;
}
