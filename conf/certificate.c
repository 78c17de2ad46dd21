#include "conf/certificate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

/* `what` and OpenSSL's reason behind it, where it has one. */
static int
refuse(struct conf_error *error, const struct certificate_text *text, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(error->text, sizeof(error->text), "%s: %s%s%s", text->name, what,
	    reason != NULL ? ": " : "", reason != NULL ? reason : "");
	ERR_clear_error();
	return -1;
}

static BIO *
open_text(const struct certificate_text *text)
{
	BIO *bio = BIO_new_mem_buf(text->text, (int)text->bytes);

	assert(bio != NULL);
	ERR_clear_error();
	return bio;
}

/* After the last certificate there is no more to read, which is no error. */
static bool
is_at_end(void)
{
	unsigned long last = ERR_peek_last_error();

	return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

static int
use_chain(SSL_CTX *context, const struct certificate_text *text, struct conf_error *error)
{
	BIO *bio = open_text(text);
	X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	int result = -1;

	if (certificate == NULL) {
		refuse(error, text,
		    "there is no certificate in it; it must be PEM, -----BEGIN CERTIFICATE-----");
		goto out;
	}
	if (SSL_CTX_use_certificate(context, certificate) != 1) {
		refuse(error, text, "this certificate cannot be used");
		goto out;
	}
	X509 *next;
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(context, next) != 1) { /* takes it, unless it fails */
			X509_free(next);
			refuse(error, text, "a certificate behind the first cannot be used");
			goto out;
		}
	}
	result = is_at_end() ? 0 : refuse(error, text, "a certificate behind the first is broken");
out:
	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return result;
}

/* Instead of asking at the terminal. */
static int
no_passphrase(char *room, int room_bytes, int is_writing, void *was_asked)
{
	(void)room;
	(void)room_bytes;
	(void)is_writing;
	*(bool *)was_asked = true;
	return -1;
}

static int
use_key(SSL_CTX *context, const struct certificate_text *text, struct conf_error *error)
{
	bool was_asked = false;
	BIO *bio = open_text(text);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &was_asked);
	int result = -1;

	if (was_asked) {
		ERR_clear_error();
		refuse(error, text,
		    "this key is encrypted, and nobody could type its passphrase at a restart; "
		    "take it off: "
		    "`openssl pkey -in OLD -out NEW`, and make the new file readable for the "
		    "broker's user only");
	} else if (key == NULL) {
		refuse(error, text,
		    "there is no private key in it; it must be PEM, -----BEGIN PRIVATE KEY-----");
	} else if (SSL_CTX_use_PrivateKey(context, key) != 1) {
		ERR_clear_error();
		refuse(error, text,
		    "this key does not belong to the first certificate in tls.certificate");
	} else {
		result = 0;
	}
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return result;
}

int
certificate_use(SSL_CTX *context, const struct certificate_text *chain,
    const struct certificate_text *key, struct conf_error *error)
{
	if (use_chain(context, chain, error) != 0 || use_key(context, key, error) != 0)
		return -1;
	return SSL_CTX_check_private_key(context) == 1
	    ? 0
	    : refuse(error, key, "this key does not belong to tls.certificate");
}

int
certificate_ask_clients(SSL_CTX *context, const struct certificate_text *authorities,
    bool is_required, struct conf_error *error)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	BIO *bio = open_text(authorities);
	unsigned count = 0;
	X509 *authority;

	while ((authority = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
		bool is_taken = X509_STORE_add_cert(store, authority) == 1 &&
		    SSL_CTX_add_client_CA(context, authority) == 1;

		X509_free(authority);
		if (!is_taken)
			break;
		count++;
	}
	bool is_read = is_at_end();
	BIO_free(bio);
	if (!is_read)
		return refuse(error, authorities, "a certificate in it is broken");
	ERR_clear_error();
	if (count == 0)
		return refuse(error, authorities,
		    "there is no certificate in it, so no client could be let in");
	SSL_CTX_set_verify(
	    context, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	return 0;
}
