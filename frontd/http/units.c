#include "frontd/http/units.h"

#include <assert.h>

#include "frontd/http/grammar.h"

struct unit {
	const char	*name;
	uint64_t	 factor;
};

/* From the largest on, for duration_format(). */
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }
};

static const struct unit size_units[] = {
	{ "", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
	{ "TiB", UINT64_C(1) << 40 }
};

#define SECONDS_KEPT 64
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

bool
number_parse(struct http_slice text, uint64_t *number)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > 19)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!http_is_digit(text.ptr[i]))
			return false;
		value = value * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	/* 19 digits are below 10^19 < 2^64, so only the last bit has to be looked at. */
	if (value > INT64_MAX)
		return false;
	*number = value;
	return true;
}

size_t
number_format(uint64_t number, char out[NUMBER_BYTES_MAX])
{
	char reversed[NUMBER_BYTES_MAX];
	size_t len = 0;

	do {
		reversed[len++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	for (size_t i = 0; i < len; i++)
		out[i] = reversed[len - 1 - i];
	return len;
}

static bool
quantity_parse(struct http_slice text, const struct unit *units, size_t unit_count, uint64_t *out)
{
	struct http_slice digits = { .ptr = text.ptr };
	uint64_t number;

	while (digits.len < text.len && http_is_digit(text.ptr[digits.len]))
		digits.len++;
	struct http_slice name = { .ptr = text.ptr + digits.len, .len = text.len - digits.len };
	if (!number_parse(digits, &number))
		return false;
	for (size_t i = 0; i < unit_count; i++) {
		if (!http_slice_is(name, units[i].name))
			continue;
		if (number > INT64_MAX / units[i].factor)
			return false;
		*out = number * units[i].factor;
		return true;
	}
	return false;
}

bool
duration_parse(struct http_slice text, uint64_t *ms)
{
	return quantity_parse(text, duration_units, COUNT_OF(duration_units), ms);
}

size_t
duration_format(uint64_t ms, char out[DURATION_BYTES_MAX])
{
	const struct unit *unit = duration_units;

	if (ms == 0) {
		memcpy(out, "0s", 2);
		return 2;
	}
	while (ms % unit->factor != 0)
		unit++;
	size_t digits = number_format(ms / unit->factor, out), len = strlen(unit->name);
	memcpy(out + digits, unit->name, len);
	return digits + len;
}

bool
size_parse(struct http_slice text, uint64_t *bytes)
{
	return quantity_parse(text, size_units, COUNT_OF(size_units), bytes);
}

struct date {
	unsigned	year;
	unsigned	month;          /* 1..12 */
	unsigned	day;            /* 1..31 */
};

/*
 * Days since 1970-01-01 and back, for years from 1970 on: H. Hinnant, "chrono-compatible low-level
 * date algorithms".  The year begins in March, so that the leap day is its last.
 */
static uint64_t
days_of(struct date date)
{
	uint64_t year = date.year - (date.month <= 2);
	uint64_t era = year / 400, year_of_era = year % 400;
	uint64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
	uint64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
	uint64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static struct date
date_of(uint64_t days)
{
	uint64_t era = (days + 719468) / 146097, day_of_era = (days + 719468) % 146097;
	uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
	    day_of_era / 146096) / 365;
	uint64_t day_of_year = day_of_era -
	    (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month = (5 * day_of_year + 2) / 153;
	struct date date = {
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
	};

	date.year = (unsigned)(year_of_era + era * 400) + (date.month <= 2);
	return date;
}

/* Exactly len digits at *text, which is moved behind them. */
static bool
take_digits(struct http_slice *text, size_t len, unsigned *value)
{
	if (text->len < len)
		return false;
	*value = 0;
	for (size_t i = 0; i < len; i++) {
		if (!http_is_digit(text->ptr[i]))
			return false;
		*value = *value * 10 + (unsigned)(text->ptr[i] - '0');
	}
	text->ptr += len;
	text->len -= len;
	return true;
}

/* One byte that is either of the two. */
static bool
take_byte(struct http_slice *text, char byte, char other)
{
	if (text->len == 0 || (text->ptr[0] != byte && text->ptr[0] != other))
		return false;
	text->ptr++;
	text->len--;
	return true;
}

static bool
take_date(struct http_slice *text, uint64_t *days)
{
	static const unsigned char month_days[13] = {
		0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	struct date date;

	if (!take_digits(text, 4, &date.year) || !take_byte(text, '-', '-'))
		return false;
	if (!take_digits(text, 2, &date.month) || !take_byte(text, '-', '-'))
		return false;
	if (!take_digits(text, 2, &date.day))
		return false;
	if (date.year < 1970 || date.month < 1 || date.month > 12)
		return false;
	if (date.day < 1 || date.day > month_days[date.month])
		return false;
	bool is_leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
	if (date.month == 2 && date.day == 29 && !is_leap)
		return false;
	*days = days_of(date);
	return true;
}

static bool
take_hour_minute(struct http_slice *text, uint64_t *minutes)
{
	unsigned hour, minute;

	if (!take_digits(text, 2, &hour) || !take_byte(text, ':', ':') ||
	    !take_digits(text, 2, &minute))
		return false;
	*minutes = hour * 60 + minute;
	return hour <= 23 && minute <= 59;
}

/* An optional fraction of a second. */
static bool
take_fraction(struct http_slice *text, unsigned *ms)
{
	unsigned digit, scale = 100;
	size_t count = 0;

	*ms = 0;
	if (!take_byte(text, '.', '.'))
		return true;
	while (take_digits(text, 1, &digit)) {
		*ms += digit * scale;
		scale /= 10;
		count++;
	}
	return count >= 1 && count <= 9;
}

bool
rfc3339_parse(struct http_slice text, uint64_t *time_ms)
{
	uint64_t days, minutes, offset = 0;
	unsigned second, ms;

	if (!take_date(&text, &days) || !take_byte(&text, 'T', 't'))
		return false;
	if (!take_hour_minute(&text, &minutes) || !take_byte(&text, ':', ':'))
		return false;
	if (!take_digits(&text, 2, &second) || second > 59 || !take_fraction(&text, &ms))
		return false;
	minutes += days * 1440;
	if (take_byte(&text, '+', '+')) {
		if (!take_hour_minute(&text, &offset) || offset > minutes)
			return false;
		minutes -= offset;
	} else if (take_byte(&text, '-', '-')) {
		if (!take_hour_minute(&text, &offset))
			return false;
		minutes += offset;
	} else if (!take_byte(&text, 'Z', 'z')) {
		return false;
	}
	uint64_t result = (minutes * 60 + second) * 1000 + ms;
	if (text.len != 0 || result > TIME_MS_MAX)
		return false;
	*time_ms = result;
	return true;
}

/* len digits of value, with zeros in front. */
static void
put_digits(char *out, size_t len, uint64_t value)
{
	while (len > 0) {
		out[--len] = (char)('0' + value % 10);
		value /= 10;
	}
}

static void
put_clock(char out[8], uint64_t time_ms)
{
	put_digits(out, 2, time_ms / 3600000 % 24);
	out[2] = ':';
	put_digits(out + 3, 2, time_ms / 60000 % 60);
	out[5] = ':';
	put_digits(out + 6, 2, time_ms / 1000 % 60);
}

size_t
rfc3339_format(uint64_t time_ms, char out[RFC3339_BYTES])
{
	assert(time_ms <= TIME_MS_MAX);

	/* Nearly all times that are written are of a few seconds: now, when a message came, when its lease ends. */
	static _Thread_local struct { uint64_t second; bool is_set; char text[20]; } recent[SECONDS_KEPT], *kept;

	kept = &recent[time_ms / 1000 % SECONDS_KEPT];
	if (!kept->is_set || time_ms / 1000 != kept->second) {
		struct date date = date_of(time_ms / 86400000);

		kept->is_set = true;
		kept->second = time_ms / 1000;
		put_digits(kept->text, 4, date.year);
		kept->text[4] = '-';
		put_digits(kept->text + 5, 2, date.month);
		kept->text[7] = '-';
		put_digits(kept->text + 8, 2, date.day);
		kept->text[10] = 'T';
		put_clock(kept->text + 11, time_ms);
		kept->text[19] = '.';
	}
	memcpy(out, kept->text, sizeof(kept->text));
	put_digits(out + 20, 3, time_ms % 1000);
	out[23] = 'Z';
	return RFC3339_BYTES;
}

size_t
http_date_format(uint64_t time_ms, char out[HTTP_DATE_BYTES])
{
	assert(time_ms <= TIME_MS_MAX);

	uint64_t days = time_ms / 86400000;
	struct date date = date_of(days);
	memcpy(out, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3);
	memcpy(out + 3, ", ", 2);
	put_digits(out + 5, 2, date.day);
	out[7] = ' ';
	memcpy(out + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(date.month - 1) * 3], 3);
	out[11] = ' ';
	put_digits(out + 12, 4, date.year);
	out[16] = ' ';
	put_clock(out + 17, time_ms);
	memcpy(out + 25, " GMT", 4);
	return HTTP_DATE_BYTES;
}
