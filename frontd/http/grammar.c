#include "frontd/http/grammar.h"

enum {
	HOST = HTTP_CLASS_HOST | HTTP_CLASS_TARGET | HTTP_CLASS_TOKEN,
	TOKEN = HTTP_CLASS_TOKEN | HTTP_CLASS_TARGET,
	TARGET = HTTP_CLASS_TARGET
};

const unsigned char http_class[256] = {
	['!'] = TOKEN,
	['"'] = TARGET,
	['$' ... '\''] = TOKEN,
	['('] = TARGET, [')'] = TARGET,
	['*'] = TOKEN, ['+'] = TOKEN,
	[','] = TARGET,
	['-'] = HOST, ['.'] = HOST,
	['/'] = TARGET,
	['0' ... '9'] = HOST,
	[':' ... '@'] = TARGET,
	['A' ... 'Z'] = HOST,
	['[' ... ']'] = TARGET,
	['^'] = TOKEN,
	['_'] = HOST,
	['`'] = TOKEN,
	['a' ... 'z'] = HOST,
	['{'] = TARGET, ['|'] = TOKEN, ['}'] = TARGET,
	['~'] = HOST,
};

const unsigned char http_hex_value[256] = {
	[0 ... '0' - 1] = 0xff,
	['0'] = 0, ['1'] = 1, ['2'] = 2, ['3'] = 3, ['4'] = 4,
	['5'] = 5, ['6'] = 6, ['7'] = 7, ['8'] = 8, ['9'] = 9,
	['9' + 1 ... 'A' - 1] = 0xff,
	['A'] = 10, ['B'] = 11, ['C'] = 12, ['D'] = 13, ['E'] = 14, ['F'] = 15,
	['F' + 1 ... 'a' - 1] = 0xff,
	['a'] = 10, ['b'] = 11, ['c'] = 12, ['d'] = 13, ['e'] = 14, ['f'] = 15,
	['f' + 1 ... 255] = 0xff,
};
