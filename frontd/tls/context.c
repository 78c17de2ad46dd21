/*
 * The SSL_CTX of this process: what is spoken, with which certificate, which tickets are good. Made
 * anew when the supervisor has read another certificate; connections that exist keep the old one
 * until they end.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "conf/certificate.h"
#include "frontd/frontd.h"
#include "frontd/tls/tls.h"
#include "shm/atomic.h"
#include "shm/diag.h"

/*
 * Forward secrecy and authenticated encryption only; the shorter key first, for it is the faster of
 * two that nobody breaks.
 */
#define SUITES_TLS_1_2 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_TLS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

/* ---- what the client wants to speak ---- */

static int
choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
    const unsigned char *offered, unsigned offered_bytes, void *unused)
{
	static const unsigned char http_1_1[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

	(void)ssl;
	(void)unused;
	for (unsigned i = 0; i + sizeof(http_1_1) <= offered_bytes; i += 1u + offered[i]) {
		if (memcmp(offered + i, http_1_1, sizeof(http_1_1)) != 0)
			continue;
		*chosen = offered + i + 1;
		*chosen_bytes = offered[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol */
}

/* ---- session tickets ---- */

/*
 * The key that seals a new ticket, or opens this one.  1: it does; 2: it does, and is the old one;
 * 0: none does.
 */
static int
ticket_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int is_sealing)
{
	struct tls_service *service = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key *key = &service->current;

	if (is_sealing) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(service->ticket_cipher)) != 1)
			return -1;
		memcpy(name, key->name, sizeof(key->name));
	} else if (memcmp(name, key->name, sizeof(key->name)) != 0) {
		key = &service->previous;
		if (memcmp(name, key->name, sizeof(key->name)) != 0)
			return 0;
	}
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_MAC_CTX_set_params(mac, parameters) != 1 ||
	    !EVP_CipherInit_ex(cipher, service->ticket_cipher, NULL, key->cipher, iv, is_sealing))
		return -1;
	return key == &service->current ? 1 : 2;
}

/* A ticket must not outlive the certificate of the client that it stands for. */
static SSL_TICKET_RETURN
ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_bytes,
    SSL_TICKET_STATUS status, void *unused)
{
	(void)ssl;
	(void)name;
	(void)name_bytes;
	(void)unused;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return status == SSL_TICKET_EMPTY || status == SSL_TICKET_NO_DECRYPT
		    ? SSL_TICKET_RETURN_IGNORE_RENEW
		    : SSL_TICKET_RETURN_ABORT;
	X509 *peer = SSL_SESSION_get0_peer(session);
	if (peer != NULL && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return SSL_TICKET_RETURN_USE_RENEW;
}

/*
 * A ticket is good only where clients are asked for the same: who became required to show a
 * certificate cannot go round it.
 */
static bool
bind_tickets(SSL_CTX *context, const struct tls_secrets *secrets)
{
	unsigned char id[EVP_MAX_MD_SIZE];
	uint32_t bytes;
	const char *authorities = tls_secrets_text(secrets, TLS_TEXT_CLIENT_CA, &bytes);

	if (EVP_Digest(authorities, bytes, id, NULL, EVP_sha256(), NULL) != 1)
		return false;
	id[0] ^= (unsigned char)secrets->client_auth;
	return SSL_CTX_set_session_id_context(context, id, SSL_MAX_SID_CTX_LENGTH) == 1;
}

/* ---- the context ---- */

static bool
set_rules(SSL_CTX *context, const struct tls_secrets *secrets)
{
	SSL_CTX_set_options(context,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
		SSL_OP_PRIORITIZE_CHACHA);
	/*
	 * Idle connections hold no buffers; and we hear of each record, also those without a byte
	 * for us (BARREN_MAX).
	 */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
	/* Instead of it there are tickets, which all frontds can open. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	return SSL_CTX_set_min_proto_version(context,
		   secrets->min_version == CONF_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_cipher_list(context, SUITES_TLS_1_2) == 1 &&
	    SSL_CTX_set_ciphersuites(context, SUITES_TLS_1_3) == 1 &&
	    SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
	    SSL_CTX_set_max_early_data(context, 0) == 1 &&
	    SSL_CTX_set_num_tickets(context, 1) == 1 &&
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key) == 1 &&
	    SSL_CTX_set_session_ticket_cb(context, NULL, ticket_opened, NULL) == 1 &&
	    bind_tickets(context, secrets);
}

static struct certificate_text
text_of(const struct tls_secrets *secrets, enum tls_text which, const char *name)
{
	struct certificate_text text = { .name = name };
	uint32_t bytes;

	text.text = tls_secrets_text(secrets, which, &bytes);
	text.bytes = bytes;
	return text;
}

static SSL_CTX *
make_context(struct tls_service *service, const struct tls_secrets *secrets)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct certificate_text chain = text_of(secrets, TLS_TEXT_CHAIN, "tls.certificate");
	struct certificate_text key = text_of(secrets, TLS_TEXT_KEY, "tls.key");
	struct certificate_text authorities = text_of(secrets, TLS_TEXT_CLIENT_CA, "tls.client_ca");
	struct conf_error error;

	if (context == NULL || !set_rules(context, secrets)) {
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());

		diag(DIAG_ERROR, "TLS: OpenSSL refuses our rules: %s; is its configuration broken?",
		    reason != NULL ? reason : "out of memory");
		goto fail;
	}
	SSL_CTX_set_app_data(context, service);
	if (certificate_use(context, &chain, &key, &error) != 0 ||
	    (secrets->client_auth != CONF_CLIENT_AUTH_OFF &&
		certificate_ask_clients(context, &authorities,
		    secrets->client_auth == CONF_CLIENT_AUTH_REQUIRED, &error) != 0)) {
		diag(DIAG_ERROR, "%s", error.text);
		goto fail;
	}
	return context;

fail:
	ERR_clear_error();
	SSL_CTX_free(context);
	return NULL;
}

/* What the supervisor has written.  0; -1 when it cannot be used, or not yet. */
static int
take_secrets(struct tls_service *service, uint64_t generation, struct tls_secrets *secrets)
{
	if (tls_secrets_read(service->secrets_fd, generation, secrets) != 0) {
		if (errno != EAGAIN)
			diag_errno("cannot read certificate and ticket keys from the supervisor");
		return -1;
	}
	service->generation = generation;
	service->current = secrets->current;
	service->previous = secrets->previous;
	if (secrets->material == service->material)
		return 0;
	SSL_CTX *context = make_context(service, secrets);
	if (context == NULL)
		return -1; /* the one in use stays */
	SSL_CTX_free(service->context); /* connections hold it as long as they need it */
	service->context = context;
	service->material = secrets->material;
	return 0;
}

static int
reload(struct frontd *frontd)
{
	struct tls_service *service = &frontd->tls;
	/*
	 * This generation is whole in the memory file.  Pairs with the supervisor's store_release.
	 */
	uint64_t generation = load_acquire(&frontd->role->registry.shared->tls_generation);

	if (generation == service->generation)
		return 0;
	struct tls_secrets *secrets = malloc(sizeof(*secrets));
	if (secrets == NULL)
		return -1;
	int result = take_secrets(service, generation, secrets);
	OPENSSL_cleanse(secrets, sizeof(*secrets));
	free(secrets);
	return result;
}

void
tls_reload(struct frontd *frontd)
{
	if (frontd->tls.is_on)
		(void)reload(frontd); /* said; what is in use stays */
}

int
tls_start(struct frontd *frontd, int secrets_fd)
{
	struct tls_service *service = &frontd->tls;

	service->secrets_fd = secrets_fd;
	TAILQ_INIT(&service->queue);
	TAILQ_INIT(&service->unfinished);
	service->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	service->bio_method = tls_bio_method();
	if (service->ticket_cipher == NULL || service->bio_method == NULL) {
		diag(DIAG_ERROR, "TLS: OpenSSL cannot start; is its configuration broken?");
		return -1;
	}
	/* Rotated twice while we looked: once more. */
	for (int tries = 0; reload(frontd) != 0 || service->context == NULL; tries++)
		if (errno != EAGAIN || tries == 3)
			return -1;
	service->is_on = true;
	return 0;
}

void
tls_stop(struct frontd *frontd)
{
	struct tls_service *service = &frontd->tls;

	SSL_CTX_free(service->context);
	EVP_CIPHER_free(service->ticket_cipher);
	BIO_meth_free(service->bio_method);
	OPENSSL_cleanse(&service->current, sizeof(service->current));
	OPENSSL_cleanse(&service->previous, sizeof(service->previous));
}
