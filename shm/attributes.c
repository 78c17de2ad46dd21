#include "shm/attributes.h"

#include <string.h>

#include "shm/limits.h"

#define ATTRIBUTE_HEADER_BYTES 3u

bool
attributes_add(char *bytes, uint32_t *used_bytes, uint32_t capacity, const char *name, size_t name_bytes,
    const char *value, size_t value_bytes)
{
	if (name_bytes == 0 || name_bytes > UINT8_MAX || value_bytes > UINT16_MAX)
		return false;
	if (*used_bytes > capacity || capacity - *used_bytes < ATTRIBUTE_HEADER_BYTES + name_bytes + value_bytes)
		return false;

	char *at = bytes + *used_bytes;
	at[0] = (char)name_bytes;
	at[1] = (char)(value_bytes & 0xff);
	at[2] = (char)(value_bytes >> 8);
	memcpy(at + ATTRIBUTE_HEADER_BYTES, name, name_bytes);
	memcpy(at + ATTRIBUTE_HEADER_BYTES + name_bytes, value, value_bytes);
	*used_bytes += (uint32_t)(ATTRIBUTE_HEADER_BYTES + name_bytes + value_bytes);
	return true;
}

bool
attributes_next(const char *bytes, uint32_t total_bytes, uint32_t *position, struct attribute *attribute)
{
	if (*position > total_bytes || total_bytes - *position < ATTRIBUTE_HEADER_BYTES)
		return false;

	const unsigned char *at = (const unsigned char *)bytes + *position;
	uint32_t name_bytes = at[0], value_bytes = (uint32_t)at[1] | (uint32_t)at[2] << 8;
	if (name_bytes == 0 || total_bytes - *position - ATTRIBUTE_HEADER_BYTES < name_bytes + value_bytes)
		return false;
	*attribute = (struct attribute){
		.name = (const char *)at + ATTRIBUTE_HEADER_BYTES,
		.value = (const char *)at + ATTRIBUTE_HEADER_BYTES + name_bytes,
		.name_bytes = name_bytes,
		.value_bytes = value_bytes,
	};
	*position += ATTRIBUTE_HEADER_BYTES + name_bytes + value_bytes;
	return true;
}
