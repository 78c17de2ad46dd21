#include "frontd/sandbox.h"

#include <openssl/evp.h>
#include <linux/io_uring.h>
#include <seccomp.h>

#include "frontd/frontd.h"
#include "shm/sandbox/sandbox.h"

/*
 * Beside what every process needs (shm/sandbox/calls.c); sockets are served by the ring
 * (frontd/uring.c).
 */
static const struct sandbox_call calls[] = {
	CALL(io_uring_enter), CALL(getpeername),
	/* liburing's, when the ring is closed. */
	CALL_IF(io_uring_register, 1, ~0ull, IORING_UNREGISTER_RING_FDS),
};

/*
 * OpenSSL reads its configuration and makes its tables when it is first used, which would be too
 * late.
 */
static void
load_openssl(void)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	/* If it fails, so does the request that needs it. */
	(void)EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
}

int
frontd_enter_sandbox(struct frontd *frontd)
{
	load_openssl();
	return sandbox_enter(frontd->role, &(struct sandbox_policy){
		.calls = calls,
		.call_count = sizeof(calls) / sizeof(calls[0]),
		.directory_fd = -1,
		.has_ring = true,
		.ring_is_restricted = uring_is_restricted(frontd->uring),
	});
}
