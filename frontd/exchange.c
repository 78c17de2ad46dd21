#include "frontd/exchange.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/audit.h"
#include "frontd/frontd.h"
#include "frontd/memory.h"

/* A new chunk of exchanges on the free list. */
static void
exchanges_grow(struct exchanges *exchanges)
{
	struct exchange **chunks = realloc(exchanges->chunks, (exchanges->chunk_count + 1) * sizeof(*chunks));
	struct exchange *chunk = calloc(EXCHANGE_CHUNK, sizeof(*chunk));

	assert(chunks != NULL);
	assert(chunk != NULL);
	exchanges->chunks = chunks;
	chunks[exchanges->chunk_count] = chunk;
	for (uint32_t i = EXCHANGE_CHUNK; i-- > 0;) {
		chunk[i].index = exchanges->chunk_count * EXCHANGE_CHUNK + i;
		chunk[i].next = exchanges->free;
		exchanges->free = &chunk[i];
	}
	exchanges->chunk_count++;
}

struct exchange *
exchange_new(struct frontd *frontd)
{
	struct exchanges *exchanges = &frontd->exchanges;

	if (exchanges->free == NULL)
		exchanges_grow(exchanges);
	struct exchange *exchange = exchanges->free;
	assert(exchange->state == EXCHANGE_FREE);
	exchanges->free = exchange->next;
	exchanges->used++;
	uint32_t index = exchange->index, generation = exchange->generation + 1;
	memset(exchange, 0, offsetof(struct exchange, memo));
	exchange->index = index;
	exchange->generation = generation != 0 ? generation : 1;
	exchange->state = EXCHANGE_NEW;
	exchange->since_ns = frontd->now_ns;
	return exchange;
}

void
exchange_hold(struct frontd *frontd, struct exchange *exchange, size_t bytes)
{
	if (bytes == exchange->held_bytes)
		return;
	memory_hold(frontd, exchange->conn, bytes);
	memory_release(frontd, exchange->conn, exchange->held_bytes);
	exchange->held_bytes = (uint32_t)bytes;
}

void
exchange_disown(struct frontd *frontd, struct exchange *exchange)
{
	memory_disown(frontd, exchange->conn, exchange->held_bytes);
	exchange->address = exchange->conn->address;
	const struct identity *identity = exchange->conn->identity;
	exchange->credential_id = identity != NULL ? identity->principal.credential_id : 0;
	exchange->conn = NULL;
}

void
exchange_drop_answer(struct frontd *frontd, struct exchange *exchange)
{
	if (exchange->bytes == NULL)
		return;
	if (exchange->heap_bytes != 0 || frontd->exchanges.free_block_count == EXCHANGE_BLOCKS_KEPT) {
		exchange->heap_bytes = 0;
		free(exchange->bytes);
	} else {
		memcpy(exchange->bytes, &frontd->exchanges.free_blocks, sizeof(char *));
		frontd->exchanges.free_blocks = exchange->bytes;
		frontd->exchanges.free_block_count++;
	}
	exchange->bytes = NULL;
}

void
exchange_free(struct frontd *frontd, struct exchange *exchange)
{
	assert(exchange->state != EXCHANGE_FREE);

	exchange_drop_answer(frontd, exchange);
	exchange_hold(frontd, exchange, 0);
	free(exchange->receipts);
	exchange->receipts = NULL;
	if (exchange->audit != AUDIT_NONE)
		audit_forget(frontd, exchange);
	api_memo_release(&exchange->memo);
	exchange->state = EXCHANGE_FREE;
	exchange->next = frontd->exchanges.free;
	frontd->exchanges.free = exchange;
	frontd->exchanges.used--;
}

uint64_t
exchange_id(const struct exchange *exchange)
{
	return (uint64_t)exchange->generation << 32 | exchange->index;
}

struct exchange *
exchange_find(struct frontd *frontd, uint64_t id)
{
	struct exchanges *exchanges = &frontd->exchanges;
	uint32_t index = (uint32_t)id;

	if (index / EXCHANGE_CHUNK >= exchanges->chunk_count)
		return NULL;
	struct exchange *exchange = &exchanges->chunks[index / EXCHANGE_CHUNK][index % EXCHANGE_CHUNK];
	if (exchange->state == EXCHANGE_FREE || exchange->generation != (uint32_t)(id >> 32))
		return NULL;
	return exchange;
}

/* The Date header changes once a second. */
static struct http_slice
date_now(struct frontd *frontd)
{
	uint64_t now_ms = frontd_now_ms(frontd);

	if (now_ms / 1000 != frontd->date_s) {
		frontd->date_s = now_ms / 1000;
		http_date_format(now_ms, frontd->date);
	}
	return (struct http_slice){ .ptr = frontd->date, .len = HTTP_DATE_BYTES };
}

void
exchange_answer_begin(struct frontd *frontd, struct exchange *exchange, struct answer *answer)
{
	struct exchanges *exchanges = &frontd->exchanges;
	char *block = exchanges->free_blocks;

	assert(exchange->bytes == NULL);
	if (block != NULL) {
		memcpy(&exchanges->free_blocks, block, sizeof(char *));
		exchanges->free_block_count--;
	} else {
		block = malloc(ANSWER_ROOM_BYTES);
		assert(block != NULL);
	}
	answer->room = block;
	answer->date = date_now(frontd);
	answer->minor_version = exchange->memo.minor_version;
	answer->keep_alive = exchange->memo.keep_alive && !exchange->closes;
	answer->is_head = exchange->memo.is_head;
	answer->limits[0] = '\0';
	if (exchange->is_limited)
		quota_fields(frontd, exchange->memo.caller.uid, answer->limits);
	answer->request_id = frontd->audit.is_on ? frontd->audit.next_id : NULL;
	answer->is_audited = exchange->audit != AUDIT_NONE;
	answer_init(answer);
}

static void
count_answer(struct frontd *frontd, unsigned status)
{
	if (status >= 400)
		stat_add(&frontd->stats->http_errors, 1);
	if (status == 429 || status == 503)
		stat_add(&frontd->stats->http_rejected, 1);
}

void
exchange_answer_end(struct frontd *frontd, struct exchange *exchange, struct answer *answer)
{
	assert(answer_bytes(answer) != 0);

	answer_fit(answer);
	exchange->bytes = answer->room;
	if (answer->heap != NULL) {
		exchange_drop_answer(frontd, exchange); /* the block goes back */
		exchange->bytes = answer->heap;
		exchange->heap_bytes = (uint32_t)answer->size;
	}
	exchange_hold(frontd, exchange, sizeof(*exchange) + (answer->heap != NULL ? answer->size : ANSWER_ROOM_BYTES));
	exchange->start = (uint32_t)answer->start;
	exchange->end = (uint32_t)answer->end;
	exchange->status = (uint16_t)answer->status;
	exchange->closes = !answer->keep_alive;
	if (answer->is_audited)
		audit_named(frontd, exchange, answer);
	count_answer(frontd, answer->status);
}

void
exchanges_trim(struct frontd *frontd)
{
	struct exchanges *exchanges = &frontd->exchanges;

	while (exchanges->free_blocks != NULL) {
		char *block = exchanges->free_blocks;

		memcpy(&exchanges->free_blocks, block, sizeof(char *));
		free(block);
	}
	exchanges->free_block_count = 0;
}

void
exchanges_free_all(struct frontd *frontd)
{
	struct exchanges *exchanges = &frontd->exchanges;

	for (uint32_t c = 0; c < exchanges->chunk_count; c++) {
		for (uint32_t i = 0; i < EXCHANGE_CHUNK; i++)
			if (exchanges->chunks[c][i].state != EXCHANGE_FREE)
				exchange_free(frontd, &exchanges->chunks[c][i]);
		free(exchanges->chunks[c]);
	}
	free(exchanges->chunks);
	exchanges_trim(frontd);
}
