#include "frontd/http/write.h"

#include "frontd/http/result.h"
#include "tests/harness/unit.h"

static char buffer[1024];

static struct http_span
room(void)
{
	memset(buffer, 0, sizeof(buffer));
	return (struct http_span){ .ptr = buffer, .len = sizeof(buffer) - 1 };
}

/* A head without fields of its own. */
static const char *
head_of(struct http_response response)
{
	struct http_writer writer;

	http_write_begin(&writer, room(), &response);
	ck_assert_int_eq(http_write_end(&writer), HTTP_WRITE_OK);
	ck_assert_uint_eq(writer.len, strlen(buffer));
	return buffer;
}

START_TEST(a_whole_head_reads_as_it_should)
{
	struct http_writer writer;
	struct http_response response = {
		.status = 201, .minor_version = 1, .keep_alive = true, .content_length = 42,
		.content_type = HTTP_LITERAL("application/json"),
		.date = HTTP_LITERAL("Sat, 31 Jan 2026 08:15:00 GMT"),
	};

	http_write_begin(&writer, room(), &response);
	http_write_field(&writer, "Location", HTTP_LITERAL("/v1/queues/q/messages/1"));
	http_write_field_number(&writer, "Retry-After", UINT64_MAX);
	http_write_field_named(&writer, HTTP_LITERAL("ce-type"), HTTP_LITERAL("a\tb \xc3\xa9"));
	http_write_field(&writer, "ETag", HTTP_LITERAL(""));
	ck_assert_int_eq(http_write_end(&writer), HTTP_WRITE_OK);
	ck_assert_str_eq(buffer, "HTTP/1.1 201 Created\r\nDate: Sat, 31 Jan 2026 08:15:00 GMT\r\n"
	    "Content-Type: application/json\r\nContent-Length: 42\r\n"
	    "Location: /v1/queues/q/messages/1\r\nRetry-After: 18446744073709551615\r\n"
	    "ce-type: a\tb \xc3\xa9\r\nETag: \r\n\r\n");
	ck_assert_uint_eq(writer.len, strlen(buffer));
}
END_TEST

START_TEST(the_framing_fits_status_and_version)
{
	struct http_response response = { .status = 200, .minor_version = 1, .keep_alive = true };

	ck_assert_str_eq(head_of(response), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	response.is_chunked = true;
	ck_assert_str_eq(head_of(response),
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	response.status = 204;
	ck_assert_str_eq(head_of(response), "HTTP/1.1 204 No Content\r\n\r\n");
	response.status = 304;
	ck_assert_str_eq(head_of(response), "HTTP/1.1 304 Not Modified\r\n\r\n");
	response.status = 101;
	ck_assert_str_eq(head_of(response), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	response.status = 200;
	response.minor_version = 0;
	response.keep_alive = false;
	ck_assert_str_eq(head_of(response), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}
END_TEST

START_TEST(the_connection_field_is_sent_when_the_version_does_not_say_it)
{
	struct http_response response = { .status = 200, .minor_version = 0, .keep_alive = true };

	ck_assert_ptr_nonnull(strstr(head_of(response), "\r\nConnection: keep-alive\r\n"));
	response.minor_version = 1;
	ck_assert_ptr_null(strstr(head_of(response), "Connection"));
	response.keep_alive = false;
	ck_assert_ptr_nonnull(strstr(head_of(response), "\r\nConnection: close\r\n"));
}
END_TEST

START_TEST(a_field_that_could_inject_is_refused)
{
	static const struct {
		struct http_slice	name;
		struct http_slice	value;
	} fields[] = {
		{ HTTP_LITERAL("A"), HTTP_LITERAL("b\r\nC: d") },
		{ HTTP_LITERAL("A"), HTTP_LITERAL("0123456789\n") },
		{ HTTP_LITERAL("A"), HTTP_LITERAL("b\0c") },
		{ HTTP_LITERAL("A"), HTTP_LITERAL("b\x7f") },
		{ HTTP_LITERAL("A: b\r\nC"), HTTP_LITERAL("d") },
		{ HTTP_LITERAL("A "), HTTP_LITERAL("b") },
		{ HTTP_LITERAL(""), HTTP_LITERAL("b") },
	};
	struct http_response response = { .status = 200, .minor_version = 1, .keep_alive = true };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct http_writer writer;
		http_write_begin(&writer, room(), &response);
		http_write_field_named(&writer, fields[i].name, fields[i].value);
		http_write_field(&writer, "Good", HTTP_LITERAL("later"));
		ck_assert_int_eq(http_write_end(&writer), HTTP_WRITE_BAD_FIELD);
	}
	response.content_type = HTTP_LITERAL("text/plain\r\nA: b");
	struct http_writer writer;
	http_write_begin(&writer, room(), &response);
	ck_assert_int_eq(http_write_end(&writer), HTTP_WRITE_BAD_FIELD);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_is_never_overrun)
{
	struct http_response response = {
		.status = 200, .minor_version = 1, .content_length = 7,
		.content_type = HTTP_LITERAL("text/plain"),
	};
	size_t needed = strlen(head_of(response));

	for (size_t size = 0; size <= needed; size++) {
		char *small = malloc(size + 1);
		struct http_writer writer;
		struct http_span span = { .ptr = small, .len = size };
		http_write_begin(&writer, span, &response);
		enum http_write_fault fault = http_write_end(&writer);
		ck_assert_int_eq(fault, size < needed ? HTTP_WRITE_NO_ROOM : HTTP_WRITE_OK);
		ck_assert_uint_le(writer.len, size);
		free(small);
	}
}
END_TEST

START_TEST(a_chunk_size_is_hexadecimal)
{
	static const struct {
		uint64_t	 bytes;
		const char	*line;
	} sizes[] = {
		{ 1, "1\r\n" }, { 15, "f\r\n" }, { 16, "10\r\n" }, { 0x12ab, "12ab\r\n" },
		{ UINT64_MAX, "ffffffffffffffff\r\n" },
	};
	char out[18];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t len = http_write_chunk_size(out, sizes[i].bytes);
		ck_assert_uint_eq(len, strlen(sizes[i].line));
		ck_assert_mem_eq(out, sizes[i].line, len);
	}
}
END_TEST

static Suite *
http_write_suite(void)
{
	Suite *suite = suite_create("http/write");
	TCase *tcase = tcase_create("write");

	tcase_add_test(tcase, a_whole_head_reads_as_it_should);
	tcase_add_test(tcase, the_framing_fits_status_and_version);
	tcase_add_test(tcase, the_connection_field_is_sent_when_the_version_does_not_say_it);
	tcase_add_test(tcase, a_field_that_could_inject_is_refused);
	tcase_add_test(tcase, a_buffer_that_is_too_small_is_never_overrun);
	tcase_add_test(tcase, a_chunk_size_is_hexadecimal);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(http_write_suite)
