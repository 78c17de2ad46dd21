#include "cli/traffic/tls.h"

#include <errno.h>
#include <limits.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static const char *
reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text != NULL ? text : "no reason given";
}

int
traffic_tls_start(struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	traffic->tls = context;
	if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return traffic_fail(traffic, "OpenSSL cannot start: %s", reason());
	int is_loaded = options->authority_file != NULL
	    ? SSL_CTX_load_verify_locations(context, options->authority_file, NULL)
	    : SSL_CTX_set_default_verify_paths(context);
	if (is_loaded != 1)
		return traffic_fail(traffic, "cannot read %s: %s",
		    options->authority_file != NULL ? options->authority_file
						    : "the authorities of this system",
		    reason());
	if (options->certificate_file != NULL &&
	    (SSL_CTX_use_certificate_chain_file(context, options->certificate_file) != 1 ||
		options->key_file == NULL ||
		SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1))
		return traffic_fail(
		    traffic, "cannot use %s and its key: %s", options->certificate_file, reason());
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(
	    context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return 0;
}

void
traffic_tls_stop(struct traffic *traffic)
{
	SSL_CTX_free(traffic->tls);
	traffic->tls = NULL;
}

/* The certificate must be for the host that was asked for, be it a name or an address. */
static int
expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1)
		return 1;
	ERR_clear_error();
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int
traffic_tls_open(struct traffic_connection *connection)
{
	struct traffic *traffic = connection->traffic;

	ERR_clear_error();
	connection->tls = SSL_new(traffic->tls);
	if (connection->tls == NULL || expect_host(connection->tls, traffic->options.host) != 1 ||
	    SSL_set_fd(connection->tls, connection->fd) != 1 || SSL_connect(connection->tls) != 1)
		return traffic_fail(traffic, "the TLS handshake failed: %s", reason());
	return 0;
}

void
traffic_tls_close(struct traffic_connection *connection)
{
	SSL_free(connection->tls);
	connection->tls = NULL;
}

/* As of a socket. */
static ssize_t
result_of(struct traffic_connection *connection, int count)
{
	if (count > 0)
		return count;
	switch (SSL_get_error(connection->tls, count)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

ssize_t
traffic_tls_send(struct traffic_connection *connection, const void *bytes, size_t count)
{
	ERR_clear_error();
	return result_of(
	    connection, SSL_write(connection->tls, bytes, count < INT_MAX ? (int)count : INT_MAX));
}

ssize_t
traffic_tls_receive(struct traffic_connection *connection, void *room, size_t room_bytes)
{
	ERR_clear_error();
	return result_of(connection,
	    SSL_read(connection->tls, room, room_bytes < INT_MAX ? (int)room_bytes : INT_MAX));
}
