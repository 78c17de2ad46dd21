#include "frontd/api/ids.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* A digit's value and 1; 0: it is none. */
static const unsigned char value_plus_1[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10, ['A'] = 11,
	['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['G'] = 17, ['H'] = 18, ['J'] = 19, ['K'] = 20, ['M'] = 21,
	['N'] = 22, ['P'] = 23, ['Q'] = 24, ['R'] = 25, ['S'] = 26, ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31,
	['Z'] = 32,
};

void
base32_format(uint64_t high, uint64_t low, char *out, unsigned count)
{
	unsigned i = count;

	/* Twelve digits out of the low word without carrying; the thirteenth takes its four bits and one of the high word. */
	for (; i > 0 && count - i < 12; low >>= 5)
		out[--i] = alphabet[low & 31];
	if (i == 0)
		return;
	out[--i] = alphabet[(low | high << 4) & 31];
	for (high >>= 1; i > 0; high >>= 5)
		out[--i] = alphabet[high & 31];
}

bool
base32_parse(struct http_slice text, unsigned high_bits, uint64_t *high, uint64_t *low)
{
	*high = *low = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = value_plus_1[(unsigned char)text.ptr[i]];

		if (digit == 0)
			return false;
		if (*high >> 59 != 0)
			return false;
		*high = *high << 5 | *low >> 59;
		*low = *low << 5 | (digit - 1);
	}
	return high_bits == 64 || *high >> high_bits == 0;
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
