/*
 * How OpenSSL reads and writes: ciphertext from where the kernel put it (tls->in), and to where
 * SEND takes it, the run of conn->sending.  Neither waits: where nothing is there, or no room is,
 * OpenSSL is told to come again.
 */
#include <string.h>

#include <openssl/bio.h>

#include "frontd/frontd.h"
#include "frontd/send.h"
#include "frontd/tls/tls.h"

static int
bio_read(BIO *bio, char *room, int room_bytes)
{
	struct tls *tls = BIO_get_data(bio);
	size_t count = tls->in_bytes < (size_t)room_bytes ? tls->in_bytes : (size_t)room_bytes;

	BIO_clear_retry_flags(bio);
	if (count == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(room, tls->in, count);
	tls->in += count;
	tls->in_bytes -= count;
	return (int)count;
}

/* Behind what a SEND in flight borrows, if there is one. */
static int
bio_write(BIO *bio, const char *bytes, int count)
{
	struct tls *tls = BIO_get_data(bio);
	struct sending *sending = send_run(tls->frontd, tls->conn);
	uint32_t room = SEND_RUN_BYTES - sending->run_end;
	uint32_t taken = (uint32_t)count < room ? (uint32_t)count : room;

	BIO_clear_retry_flags(bio);
	if (taken == 0) {
		BIO_set_retry_write(bio);
		return -1;
	}
	memcpy(sending->run + sending->run_end, bytes, taken);
	sending->run_end += taken;
	sending->total_bytes += taken;
	return (int)taken;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *
tls_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "chasqui");

	if (method == NULL || BIO_meth_set_read(method, bio_read) != 1 ||
	    BIO_meth_set_write(method, bio_write) != 1 ||
	    BIO_meth_set_ctrl(method, bio_control) != 1) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}
