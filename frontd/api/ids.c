#include "frontd/api/ids.h"

#include <assert.h>
#include <string.h>

/* A digit's value and 1; 0: it is none. */
static const unsigned char value_plus_1[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10, ['A'] = 11,
	['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['G'] = 17, ['H'] = 18, ['J'] = 19, ['K'] = 20, ['M'] = 21,
	['N'] = 22, ['P'] = 23, ['Q'] = 24, ['R'] = 25, ['S'] = 26, ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31,
	['Z'] = 32,
};

/* Two digits each, from "00" to "ZZ": ten bits at a time are half the steps. */
#define PAIRS_OF(d) \
	d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9" d "A" d "B" d "C" d "D" d "E" d "F" \
	d "G" d "H" d "J" d "K" d "M" d "N" d "P" d "Q" d "R" d "S" d "T" d "V" d "W" d "X" d "Y" d "Z"
static const char pairs[] =
	PAIRS_OF("0") PAIRS_OF("1") PAIRS_OF("2") PAIRS_OF("3") PAIRS_OF("4") PAIRS_OF("5") PAIRS_OF("6") PAIRS_OF("7")
	PAIRS_OF("8") PAIRS_OF("9") PAIRS_OF("A") PAIRS_OF("B") PAIRS_OF("C") PAIRS_OF("D") PAIRS_OF("E") PAIRS_OF("F")
	PAIRS_OF("G") PAIRS_OF("H") PAIRS_OF("J") PAIRS_OF("K") PAIRS_OF("M") PAIRS_OF("N") PAIRS_OF("P") PAIRS_OF("Q")
	PAIRS_OF("R") PAIRS_OF("S") PAIRS_OF("T") PAIRS_OF("V") PAIRS_OF("W") PAIRS_OF("X") PAIRS_OF("Y") PAIRS_OF("Z");

#define WORD_DIGITS 12u /* 60 bits: that many are read and written without a carry */

static inline void
put_pairs(char *end, uint64_t bits, unsigned count)
{
	for (; count > 0; count--, bits >>= 10)
		memcpy(end -= 2, &pairs[2 * (bits & 1023)], 2);
}

void
base32_format(uint64_t high, uint64_t low, char *out, unsigned count)
{
	assert(count > WORD_DIGITS);

	count -= WORD_DIGITS;
	put_pairs(out + count + WORD_DIGITS, low, WORD_DIGITS / 2);
	low = low >> 60 | high << 4;
	high >>= 56;
	if (count > WORD_DIGITS) {
		count -= WORD_DIGITS;
		put_pairs(out + count + WORD_DIGITS, low, WORD_DIGITS / 2);
		low = high;
	}
	put_pairs(out + count, low, count / 2);
	if (count % 2 != 0)
		out[0] = pairs[2 * (low >> count / 2 * 10 & 31) + 1];
}

bool
base32_parse(struct http_slice text, unsigned high_bits, uint64_t *high, uint64_t *low)
{
	uint64_t above = 0, below = 0, lost = 0;
	unsigned char digits = 0; /* all of them, ORed */

	for (size_t at = 0; at < text.len;) {
		size_t end = at + ((text.len - at) % WORD_DIGITS != 0 ? (text.len - at) % WORD_DIGITS : WORD_DIGITS);
		uint64_t word = 0;

		for (; at < end; at++) {
			unsigned char digit = (unsigned char)(value_plus_1[(unsigned char)text.ptr[at]] - 1);

			digits |= digit;
			word = word << 5 | (digit & 31);
		}
		lost |= above >> 4;
		above = above << 60 | below >> 4;
		below = below << 60 | word;
	}
	*high = above;
	*low = below;
	return digits < 32 && lost == 0 && (high_bits == 64 || above >> high_bits == 0);
}

void
message_id_format(const struct message_id *id, char out[MESSAGE_ID_BYTES])
{
	uint64_t high = id->enqueued_ms << 16 | (uint64_t)(id->shard & 0xff) << 8 | (id->seq >> 32 & 0xff);
	uint64_t low = id->seq << 32 | id->msg_idx;

	base32_format(high, low, out, MESSAGE_ID_BYTES);
}

void
receipt_format(const struct receipt *receipt, uint32_t shard, char out[RECEIPT_BYTES])
{
	base32_format((uint64_t)shard << 32 | receipt->msg_idx, receipt->token, out, RECEIPT_BYTES);
}

bool
receipt_parse(struct http_slice text, uint32_t shard, struct receipt *receipt)
{
	uint64_t high, low;

	if (text.len != RECEIPT_BYTES || !base32_parse(text, 40, &high, &low))
		return false;
	*receipt = (struct receipt){ .token = high >> 32 == shard ? low : 0, .msg_idx = (uint32_t)high };
	return true;
}

void
id_format(uint64_t id, char out[ID_BYTES])
{
	base32_format(0, id, out, ID_BYTES);
}

bool
id_parse(struct http_slice text, uint64_t *id)
{
	uint64_t high;

	return text.len == ID_BYTES && base32_parse(text, 0, &high, id);
}
