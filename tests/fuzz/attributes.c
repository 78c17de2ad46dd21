/*
 * attributes_next() over any bytes: it stays within them, always moves on, and what it gives, added again, gives the same
 * bytes back.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shm/attributes.h"
#include "shm/limits.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	uint32_t position = 0, before = 0, used = 0, total = (uint32_t)count;
	struct attribute attribute;
	char *copy;

	if (count > ATTRIBUTES_BYTES_MAX)
		return 0;
	copy = malloc(count + 1);
	if (copy == NULL)
		abort();
	while (attributes_next((const char *)bytes, total, &position, &attribute)) {
		assert(position > before && position <= total);
		assert((const uint8_t *)attribute.name > bytes + before);
		assert((const uint8_t *)attribute.value + attribute.value_bytes == bytes + position);
		assert(attribute.name + attribute.name_bytes == attribute.value);
		assert(attributes_add(copy, &used, total, attribute.name, attribute.name_bytes, attribute.value,
		    attribute.value_bytes));
		before = position;
	}
	assert(position == before);
	assert(used == position && memcmp(copy, bytes, used) == 0);
	free(copy);
	return 0;
}
