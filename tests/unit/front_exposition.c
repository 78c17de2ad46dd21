/*
 * exposition: what is written is what the formats want, down to the last escape; and the reader of
 * the tests, which judges it, finds fault with what is not.
 */
#include "frontd/api/exposition.h"

#include "tests/harness/exposition.h"
#include "tests/harness/unit.h"

static char room[ANSWER_ROOM_BYTES];
static struct answer answer;
static struct exposition x;
static struct exposition_page page;

static void
begin(bool is_openmetrics)
{
	free(answer.heap);
	answer = (struct answer){ .room = room, .date = HTTP_LITERAL("x"), .keep_alive = true };
	answer_init(&answer);
	exposition_begin(&x, &answer, is_openmetrics);
}

/* The whole of it; its head is in *head if that is not NULL. */
static const char *
body(const char **head)
{
	static char text[64 * 1024];
	char *blank;

	exposition_end(&x);
	ck_assert_uint_lt(answer_bytes(&answer), sizeof(text));
	memcpy(text, answer_start(&answer), answer_bytes(&answer));
	text[answer_bytes(&answer)] = '\0';
	blank = strstr(text, "\r\n\r\n");
	ck_assert_ptr_nonnull(blank);
	*blank = '\0';
	if (head != NULL)
		*head = text;
	return blank + 4;
}

START_TEST(a_label_is_escaped)
{
	static const struct metric metric = { "odd", METRIC_GAUGE, UNIT_NONE,
		"a \"word\", a \\ and a\nline" };

	begin(false);
	exposition_family(&x, &metric);
	exposition_sample(
	    &x, &(struct metric_labels){ .name = "queue", .value = HTTP_LITERAL("a\"b\\c\nd") }, 7);
	ck_assert_str_eq(body(NULL),
	    "# HELP chasqui_odd a \"word\", a \\\\ and a\\nline\n"
	    "# TYPE chasqui_odd gauge\nchasqui_odd{queue=\"a\\\"b\\\\c\\nd\"} 7\n");
	begin(true);
	exposition_family(&x, &metric);
	ck_assert_str_eq(body(NULL),
	    "# HELP chasqui_odd a \\\"word\\\", a \\\\ and a\\nline\n"
	    "# TYPE chasqui_odd gauge\n# EOF\n");
}
END_TEST

START_TEST(the_two_formats_call_a_counter_differently)
{
	static const struct metric metric = { "sent_bytes", METRIC_COUNTER, UNIT_BYTES, "bytes" };
	const struct metric_labels labels = { .name = "role",
		.value = HTTP_LITERAL("r"),
		.index = "index",
		.number = 3,
		.other = "state",
		.other_value = "s" };
	const char *text, *head;

	begin(false);
	exposition_family(&x, &metric);
	exposition_sample(&x, &labels, UINT64_MAX);
	text = body(&head);
	ck_assert_str_eq(text,
	    "# HELP chasqui_sent_bytes_total bytes\n# TYPE chasqui_sent_bytes_total counter\n"
	    "chasqui_sent_bytes_total{role=\"r\",index=\"3\",state=\"s\"} 18446744073709551615\n");
	ck_assert_ptr_nonnull(
	    strstr(head, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	begin(true);
	exposition_family(&x, &metric);
	exposition_sample(&x, &labels, 1);
	text = body(&head);
	ck_assert_str_eq(text,
	    "# HELP chasqui_sent_bytes bytes\n# TYPE chasqui_sent_bytes counter\n"
	    "# UNIT chasqui_sent_bytes bytes\n"
	    "chasqui_sent_bytes_total{role=\"r\",index=\"3\",state=\"s\"} 1\n# EOF\n");
	ck_assert_ptr_nonnull(strstr(
	    head, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
}
END_TEST

START_TEST(times_are_shown_in_seconds_to_the_last_digit)
{
	const struct metric_labels none = { .name = NULL };

	begin(false);
	exposition_family(&x, &(struct metric){ "age", METRIC_GAUGE, UNIT_MS, "h" });
	exposition_sample(&x, &none, 1795466305042);
	ck_assert_ptr_nonnull(strstr(body(NULL), "\nchasqui_age_seconds 1795466305.042\n"));
	begin(false);
	exposition_family(&x, &(struct metric){ "age", METRIC_GAUGE, UNIT_NS, "h" });
	exposition_sample(&x, &none, 1);
	ck_assert_ptr_nonnull(strstr(body(NULL), "\nchasqui_age_seconds 0.000000001\n"));
}
END_TEST

START_TEST(a_histogram_loses_no_value_and_no_time)
{
	static struct histogram histogram;
	static const uint64_t values[] = { 0, 1, 4095, 4096, 5000000, 68719476735, 68719476736,
		1ull << 50 };
	const struct metric_labels none = { .name = NULL };
	const char *text, *complaint;

	memset(&histogram, 0, sizeof(histogram));
	for (unsigned i = 0; i < 8; i++)
		histogram_add(&histogram, values[i]);
	for (unsigned format = 0; format < 2; format++) {
		begin(format == 1);
		exposition_family(&x, &(struct metric){ "t", METRIC_HISTOGRAM, UNIT_NS, "h" });
		exposition_histogram(&x, &none, &histogram);
		text = body(NULL);
		complaint = exposition_read(&page, text, format == 1);
		ck_assert_msg(complaint == NULL, "%s", complaint);
		ck_assert_ptr_nonnull(
		    strstr(text, "\nchasqui_t_seconds_bucket{le=\"0.000004095\"} 3\n"));
		ck_assert_ptr_nonnull(
		    strstr(text, "\nchasqui_t_seconds_bucket{le=\"0.000008191\"} 4\n"));
		ck_assert_ptr_nonnull(
		    strstr(text, "\nchasqui_t_seconds_bucket{le=\"0.004194303\"} 4\n"));
		ck_assert_ptr_nonnull(
		    strstr(text, "\nchasqui_t_seconds_bucket{le=\"0.008388607\"} 5\n"));
		ck_assert_ptr_nonnull(
		    strstr(text, "\nchasqui_t_seconds_bucket{le=\"68.719476735\"} 6\n"));
		ck_assert_ptr_nonnull(strstr(text, "\nchasqui_t_seconds_bucket{le=\"+Inf\"} 8\n"));
		ck_assert_ptr_nonnull(strstr(text, "\nchasqui_t_seconds_sum 1126037.350804287\n"));
	}
	/* Bounds of other units: whole numbers have a decimal, zeros at the end are cut. */
	begin(false);
	exposition_family(&x, &(struct metric){ "t", METRIC_HISTOGRAM, UNIT_BYTES, "h" });
	exposition_histogram(&x, &none, &histogram);
	ck_assert_ptr_nonnull(strstr(body(NULL), "\nchasqui_t_bytes_bucket{le=\"127.0\"} 2\n"));
	begin(false);
	exposition_family(&x, &(struct metric){ "t", METRIC_HISTOGRAM, UNIT_MS, "h" });
	exposition_histogram(&x, &none, &histogram);
	ck_assert_ptr_nonnull(strstr(body(NULL), "\nchasqui_t_seconds_bucket{le=\"0.001\"} 2\n"));
}
END_TEST

START_TEST(a_row_of_stats_def_gets_its_unit_behind)
{
	char name[METRIC_NAME_BYTES];

	for (unsigned i = 0; i < stat_row_count; i++) {
		struct metric metric = metric_of_row(&stat_rows[i], name);

		ck_assert_msg(strncmp(metric.name, "bytes", 5) != 0, "%s", metric.name);
		begin(true);
		exposition_family(&x, &metric);
		const char *complaint = exposition_read(&page, body(NULL), true);
		ck_assert_msg(complaint == NULL, "%s", complaint);
	}
}
END_TEST

/* ---- the reader ---- */

#define G "# HELP g h\n# TYPE g gauge\n"
#define C "# HELP c_total h\n# TYPE c_total counter\n"
#define H "# HELP h h\n# TYPE h histogram\n"
#define EOF_ "# EOF\n"

static const struct {
	const char *what;
	bool is_openmetrics;
	const char *text;
} bads[] = {
	{ "no HELP", false, "# TYPE g gauge\ng 1\n" },
	{ "no TYPE", false, "# HELP g h\ng 1\n" },
	{ "no family", false, "g 1\n" },
	{ "HELP twice", false, "# HELP g h\n" G "g 1\n" },
	{ "described after its samples", false, G "g 1\n# UNIT g x\n" },
	{ "a family twice", false, G "g 1\n" C "c_total 1\n" G "g{a=\"b\"} 1\n" },
	{ "samples apart", false, G "g 1\n" C "c_total 1\ng{a=\"b\"} 1\n" },
	{ "a sample twice", false, G "g{a=\"b\"} 1\ng{a=\"b\"} 2\n" },
	{ "a quote in a label", false, G "g{a=\"b\"c\"} 1\n" },
	{ "a bad escape", false, G "g{a=\"\\t\"} 1\n" },
	{ "a bad name of a label", false, G "g{1a=\"b\"} 1\n" },
	{ "no value", false, G "g \n" },
	{ "two values", false, G "g 1 2 3\n" },
	{ "a word for a value", false, G "g one\n" },
	{ "a counter below zero", false, C "c_total -1\n" },
	{ "a counter without _total", false, "# HELP c h\n# TYPE c counter\nc 1\n" },
	{ "an unknown type", false, "# HELP g h\n# TYPE g gage\ng 1\n" },
	{ "no line end", false, G "g 1" },
	{ "an empty line", false, G "\ng 1\n" },
	{ "EOF in the older format", false, G "g 1\n" EOF_ },
	{ "no EOF", true, G "g 1\n" },
	{ "something behind EOF", true, EOF_ G },
	{ "_total in the name of a family", true, C "c_total 1\n" EOF_ },
	{ "a unit that is not in the name", true, G "# UNIT g seconds\ng 1\n" EOF_ },
	{ "a quote in HELP", true, "# HELP g a \"b\"\n# TYPE g gauge\n" EOF_ },
	{ "no +Inf", false, H "h_bucket{le=\"1.0\"} 1\nh_sum 1\nh_count 1\n" },
	{ "+Inf is not the count", false, H "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n" },
	{ "not cumulative", false,
	    H "h_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n" },
	{ "bounds out of order", false,
	    H "h_bucket{le=\"2.0\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum "
	      "1\nh_count 1\n" },
	{ "no sum", false, H "h_bucket{le=\"+Inf\"} 1\nh_count 1\n" },
	{ "no buckets", false, H "h_sum 1\nh_count 1\n" },
	{ "a bucket without a bound", false, H "h_bucket 1\nh_sum 1\nh_count 1\n" },
};

START_TEST(the_reader_finds_fault_with_what_is_wrong)
{
	ck_assert_msg(exposition_read(&page, bads[_i].text, bads[_i].is_openmetrics) != NULL, "%s",
	    bads[_i].what);
}
END_TEST

START_TEST(the_reader_takes_what_is_right)
{
	static const char good[] =
	    G "g{a=\"x\\\"y\",b=\"2\"} -1.5\ng 1e3\n" C "c_total 0\n" H
	      "h_bucket{role=\"b\",le=\"1.0\"} 1\nh_bucket{role=\"b\",le=\"+Inf\"} 2\nh_sum{role=\"b\"} "
	      "1\nh_count{role=\"b\"} 2\n"
	      "h_bucket{a=\"c\",le=\"1.0\"} 0\nh_bucket{a=\"c\",le=\"+Inf\"} 0\nh_sum{a=\"c\"} "
	      "0\nh_count{a=\"c\"} 0\n";
	const char *complaint = exposition_read(&page, good, false);

	ck_assert_msg(complaint == NULL, "%s", complaint);
	ck_assert_uint_eq(page.family_count, 3);
	ck_assert_double_eq(exposition_sum(&page, "h_count", ""), 2);
	ck_assert_double_eq(exposition_sum(&page, "g", "b=\"2\""), -1.5);
	ck_assert_str_eq(exposition_find(&page, "h")->type, "histogram");
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front/exposition");
	TCase *tcase = tcase_create("exposition");

	tcase_add_test(tcase, a_label_is_escaped);
	tcase_add_test(tcase, the_two_formats_call_a_counter_differently);
	tcase_add_test(tcase, times_are_shown_in_seconds_to_the_last_digit);
	tcase_add_test(tcase, a_histogram_loses_no_value_and_no_time);
	tcase_add_test(tcase, a_row_of_stats_def_gets_its_unit_behind);
	tcase_add_loop_test(
	    tcase, the_reader_finds_fault_with_what_is_wrong, 0, sizeof(bads) / sizeof(bads[0]));
	tcase_add_test(tcase, the_reader_takes_what_is_right);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
