/* chasqui snapshot: asks for a snapshot of each shard, or shows the newest; over HTTP. */
#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/verbs.h"

static int
show(struct http_client *client, const char *method, const struct arguments *arguments)
{
	static const struct column columns[] = { { "SHARD", "shard" }, { "LSN", "newest.lsn" },
		{ "BEGUN", "newest.begun_at" }, { "BYTES", "newest.bytes" } };
	struct http_call call = { .method = method, .path = "/v1/snapshots" };
	int code;
	json_t *json = ask_json(client, &call, &code);

	if (json == NULL)
		return code;
	if (arguments->is_json)
		print_json(json);
	else
		print_table(json_object_get(json, "snapshots"), columns,
		    sizeof(columns) / sizeof(columns[0]));
	json_decref(json);
	return CLI_OK;
}

static int
snapshot_ask(struct http_client *client, const struct arguments *arguments)
{
	return show(client, "POST", arguments);
}

static int
snapshot_ls(struct http_client *client, const struct arguments *arguments)
{
	return show(client, "GET", arguments);
}

static const struct http_verb snapshot_verbs[] = {
	{ "ask", snapshot_ask, 1, 1, false },
	{ "ls", snapshot_ls, 1, 1, false },
};

int
verb_snapshot(int argc, char **argv)
{
	const size_t count = sizeof(snapshot_verbs) / sizeof(snapshot_verbs[0]);
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN, argc, argv))
		return verb_usage("snapshot");
	return http_verb_run("snapshot", snapshot_verbs, count, &arguments);
}
