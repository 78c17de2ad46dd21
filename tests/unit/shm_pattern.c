/*
 * pattern: segments, `*` and `#`; lists of patterns; scopes.
 */
#include "tests/harness/unit.h"

#include "shm/pattern.h"
#include "shm/people.h"

static bool
means(const char *pattern, const char *name)
{
	return pattern_matches(pattern, strlen(pattern), name, strlen(name));
}

static const struct row {
	const char *pattern, *name;
	bool is_match;
} rows[] = {
	{ "orders", "orders", true },
	{ "orders", "order", false },
	{ "orders", "orders.eu", false },
	{ "orders", "ordersx", false },
	{ "Orders", "orders", false },
	{ "*", "orders", true },
	{ "*", "orders.eu.new", true }, /* alone it is every name */
	{ "#", "orders.eu.new", true },
	{ "orders.*", "orders.eu", true },
	{ "orders.*", "orders", false },
	{ "orders.*", "orders.", true }, /* an empty segment is one */
	{ "orders.*", "orders.eu.new", false },
	{ "*.eu", "orders.eu", true },
	{ "*.eu", "orders", false },
	{ "*.eu", "eu", false },
	{ "*.*", "a.b", true },
	{ "*.*", "a", false },
	{ "orders.#", "orders", true },
	{ "orders.#", "orders.eu", true },
	{ "orders.#", "orders.eu.new", true },
	{ "orders.#", "ordersx", false },
	{ "#.new", "new", true },
	{ "#.new", "orders.eu.new", true },
	{ "#.new", "orders.new.eu", false },
	{ "a.#.z", "a.z", true },
	{ "a.#.z", "a.b.c.z", true },
	{ "a.#.z", "a.z.b", false },
	{ "a.#.b.#.c", "a.x.b.b.y.c", true },
	{ "a.#.b.#.c", "a.x.y.c", false },
	{ "#.a.*.#", "x.a.a.y", true },
	{ "#.#", "a", true },
	{ "or*", "orders", false }, /* not a segment: itself */
	{ "or*", "or*", true },
	{ "", "orders", false },
};

START_TEST(a_pattern_means_these_names_and_not_those)
{
	const struct row *row = &rows[_i];

	ck_assert_msg(
	    means(row->pattern, row->name) == row->is_match, "%s %s", row->pattern, row->name);
}
END_TEST

/* The same by the definition: every way to spread `#`. */
static bool
means_slowly(const char *pattern, const char *name)
{
	size_t p = strcspn(pattern, "."), n;

	if (*pattern == '#' && p == 1) {
		const char *rest = pattern[1] == '.' ? pattern + 2 : NULL;

		if (rest == NULL)
			return true;
		for (; name != NULL; name = *(name + strcspn(name, ".")) == '.'
		         ? name + strcspn(name, ".") + 1
		         : NULL) {
			if (means_slowly(rest, name))
				return true;
		}
		return false;
	}
	n = strcspn(name, ".");
	if (!(p == 1 && *pattern == '*') && (p != n || memcmp(pattern, name, n) != 0))
		return false;
	if (pattern[p] == '\0' || name[n] == '\0')
		return (pattern[p] == '\0' && name[n] == '\0') ||
		    (name[n] == '\0' && strcmp(pattern + p, ".#") == 0);
	return means_slowly(pattern + p + 1, name + n + 1);
}

START_TEST(it_agrees_with_the_definition_on_all_short_ones)
{
	static const char *const words[] = { "a", "b", "*", "#" };
	unsigned compared = 0;

	for (unsigned p = 0; p < 256; p++) {
		char pattern[16];
		unsigned length = 1 + p / 64;

		snprintf(pattern, sizeof(pattern), "%s.%s.%s.%s", words[p & 3], words[p >> 2 & 3],
		    words[p >> 4 & 3], words[p >> 6]);
		pattern[length * 2 - 1] = '\0';
		if (strcmp(pattern, "*") == 0 || strstr(pattern, "#.#") != NULL)
			continue;
		for (unsigned n = 0; n < 64; n++) {
			char name[16];
			unsigned segments = 1 + n / 16;

			snprintf(name, sizeof(name), "%c.%c.%c.%c", "ab"[n & 1], "ab"[n >> 1 & 1],
			    "ab"[n >> 2 & 1], "ab"[n >> 3 & 1]);
			name[segments * 2 - 1] = '\0';
			ck_assert_msg(means(pattern, name) == means_slowly(pattern, name), "%s %s",
			    pattern, name);
			compared++;
		}
	}
	ck_assert_uint_gt(compared, 5000);
}
END_TEST

START_TEST(no_pattern_makes_it_slow)
{
	char pattern[81] = "", name[81] = "";

	for (unsigned i = 0; i < 40; i++) {
		strcat(pattern, i % 2 == 0 ? "#." : "a.");
		strcat(name, "a.");
	}
	pattern[79] = 'b';
	pattern[80] = '\0';
	ck_assert(!pattern_matches(pattern, 80, name, 79)); /* returns at all */
}
END_TEST

START_TEST(what_is_a_pattern)
{
	static const char *const good[] = { "a", "*", "#", "a.*.b-c_D.#", "*.#" };
	static const char *const bad[] = { "", "a.", ".a", "a..b", "a*", "#a.b", "a b", "a/b", "a,b", "\xc3\xa9" };
	char longest[PATTERN_BYTES_MAX + 1];

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(pattern_is_valid(good[i], strlen(good[i])), "%s", good[i]);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!pattern_is_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
	memset(longest, 'a', sizeof(longest));
	ck_assert(pattern_is_valid(longest, PATTERN_BYTES_MAX));
	ck_assert(!pattern_is_valid(longest, PATTERN_BYTES_MAX + 1));
}
END_TEST

static bool
list_means(const char *list, const char *name)
{
	return pattern_list_matches(list, strlen(list), name, strlen(name));
}

START_TEST(a_list_means_what_one_of_its_patterns_means)
{
	ck_assert(list_means("bob bob.*", "bob"));
	ck_assert(list_means("bob bob.*", "bob.x"));
	ck_assert(!list_means("bob bob.*", "bobby"));
	ck_assert(!list_means("", "bob"));
	ck_assert(pattern_list_is_valid("", 0));
	ck_assert(pattern_list_is_valid("a b.*", 5));
	ck_assert(!pattern_list_is_valid("a  b", 4));
	ck_assert(!pattern_list_is_valid(" a", 2));
	ck_assert(!pattern_list_is_valid("a ", 2));
}
END_TEST

static bool
allows(const char *scopes, enum right right, const char *name)
{
	return scopes_allow(scopes, strlen(scopes), right, name, strlen(name));
}

START_TEST(a_scope_gives_a_right_on_names)
{
	const char *scopes = "publish:orders.* consume:# *:mine.#";

	ck_assert(allows(scopes, RIGHT_PUBLISH, "orders.eu"));
	ck_assert(!allows(scopes, RIGHT_PUBLISH, "bills"));
	ck_assert(allows(scopes, RIGHT_CONSUME, "bills"));
	ck_assert(!allows(scopes, RIGHT_MANAGE, "bills"));
	ck_assert(allows(scopes, RIGHT_MANAGE, "mine.too"));
	ck_assert(allows("*", RIGHT_MANAGE, "bills"));
	ck_assert(!allows("admin", RIGHT_BROWSE, "bills"));
	ck_assert(!allows("", RIGHT_BROWSE, "bills"));
}
END_TEST

START_TEST(scopes_are_words_that_are_known)
{
	static const char *const good[] = { "", "*", "admin", "publish:a", "browse:* manage:a.#",
		"*:#", "admin publish:a" };
	static const char *const bad[] = { "publish", "publish:", ":a", "Publish:a", "delete:a",
		"publish:a,b", "admin:a", "a b", "publish:a ", "publish:a  consume:a", "**" };

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(scopes_are_valid(good[i], strlen(good[i])), "%s", good[i]);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!scopes_are_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
	ck_assert(scopes_are_full("publish:a *", 11));
	ck_assert(!scopes_are_full("*:#", 3));
	ck_assert(!scopes_are_full("admin", 5));
	ck_assert(scopes_have_admin("publish:a admin", 15));
	ck_assert(scopes_have_admin("*", 1));
	ck_assert(!scopes_have_admin("metrics", 7));
	ck_assert(scopes_have_metrics("metrics", 7));
	ck_assert(!scopes_have_metrics("browse:# admin", 14));
	ck_assert(!scopes_have_metrics("*:metrics", 9));
	ck_assert(scopes_are_valid("metrics", 7));
	ck_assert(!scopes_are_valid("metrics:#", 9));
	ck_assert(!scopes_have_admin("manage:#", 8));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/pattern");
	TCase *tcase = tcase_create("pattern");

	tcase_add_loop_test(tcase, a_pattern_means_these_names_and_not_those, 0,
	    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tcase, it_agrees_with_the_definition_on_all_short_ones);
	tcase_add_test(tcase, no_pattern_makes_it_slow);
	tcase_add_test(tcase, what_is_a_pattern);
	tcase_add_test(tcase, a_list_means_what_one_of_its_patterns_means);
	tcase_add_test(tcase, a_scope_gives_a_right_on_names);
	tcase_add_test(tcase, scopes_are_words_that_are_known);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
