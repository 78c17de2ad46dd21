#include "tests/harness/tls.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* ---- certificates ---- */

static void __attribute__((format(printf, 1, 2)))
run(const char *format, ...)
{
	char command[2048];
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	ck_assert(n > 0 && n < (int)sizeof(command));
	int status = system(command);
	ck_assert_msg(status == 0, "this failed with %d: %s", status, command);
}

void
tls_make_authority(const char *directory, const char *name)
{
	run("cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
	    "-keyout %s.key -out %s.pem -days 2 "
	    "-subj '/CN=authority %s' 2> openssl.log",
	    directory, name, name, name);
}

void
tls_make_certificate(const char *directory, const char *name, const struct tls_wish *wish)
{
	run("cd '%s' && umask 077 && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
	    "-nodes -keyout %s.key "
	    "-out %s.csr -subj '%s' 2> openssl.log",
	    directory, name, name, wish->subject);
	if (wish->alternatives != NULL)
		run("cd '%s' && echo 'subjectAltName=%s' > %s.ext", directory, wish->alternatives,
		    name);
	run("cd '%s' && openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -out "
	    "%s.pem -days %d %s%s%s "
	    "2> openssl.log",
	    directory, name, wish->authority, wish->authority, name, wish->days,
	    wish->alternatives != NULL ? "-extfile " : "", wish->alternatives != NULL ? name : "",
	    wish->alternatives != NULL ? ".ext" : "");
}

void
tls_broker_init(struct broker *broker, const char *const *options)
{
	static char text[3][200];
	static const char *const keys[] = { "tls.certificate=%s/server.pem",
		"tls.key=%s/server.key", "tls.client_ca=%s/ca.pem" };
	unsigned used = 0;

	broker_init(broker, options);
	while (broker->options[used] != NULL)
		used++;
	ck_assert_uint_le(used, 15);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(text[i], sizeof(text[i]), keys[i], broker->directory);
		broker->options[used++] = text[i];
	}
	broker->options[used++] = "tls.listen=127.0.0.1:0";
	tls_make_authority(broker->directory, "ca");
	tls_make_certificate(broker->directory, "server",
	    &(struct tls_wish){ .authority = "ca",
		.subject = "/CN=localhost",
		.alternatives = "DNS:localhost,IP:127.0.0.1",
		.days = 1 });
}

/* ---- a client ---- */

/* Of a client that speaks TLS. */
struct tls_state {
	SSL *ssl;
	SSL_SESSION *session; /* the newest */
	bool heard_goodbye;
};

static int
take_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_state *state = SSL_get_app_data(ssl);

	SSL_SESSION_free(state->session);
	state->session = session;
	return 1; /* it is ours */
}

/* A BIO that sends each byte alone. */
static int
drip(BIO *bio, const char *bytes, int count)
{
	(void)bio;
	for (int i = 0; i < count; i++)
		if (send((int)(intptr_t)BIO_get_data(bio), bytes + i, 1, MSG_NOSIGNAL) != 1)
			return -1;
	return count;
}

static long
drip_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO *
drip_bio(int fd)
{
	static BIO_METHOD *method;

	if (method == NULL) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "drip");
		BIO_meth_set_write(method, drip);
		BIO_meth_set_ctrl(method, drip_control);
	}
	BIO *bio = BIO_new(method);
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	return bio;
}

static void
offer(SSL_CTX *context, const char *protocols)
{
	unsigned char list[256];
	unsigned used = 0;

	while (*protocols != '\0') {
		size_t bytes = strcspn(protocols, " ");

		list[used++] = (unsigned char)bytes;
		memcpy(list + used, protocols, bytes);
		used += (unsigned)bytes;
		protocols += bytes + (protocols[bytes] == ' ');
	}
	ck_assert_int_eq(SSL_CTX_set_alpn_protos(context, list, used), 0);
}

static SSL_CTX *
context_of(const struct tls_dialog *dialog)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	char path[512], key[512];

	ck_assert_ptr_nonnull(context);
	if (dialog->authority != NULL) {
		snprintf(path, sizeof(path), "%s/%s.pem", dialog->directory, dialog->authority);
		ck_assert_int_eq(SSL_CTX_load_verify_locations(context, path, NULL), 1);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}
	if (dialog->certificate != NULL) {
		snprintf(path, sizeof(path), "%s/%s.pem", dialog->directory, dialog->certificate);
		snprintf(key, sizeof(key), "%s/%s.key", dialog->directory, dialog->certificate);
		ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(context, path), 1);
		ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), 1);
	}
	if (dialog->protocols != NULL)
		offer(context, dialog->protocols);
	if (dialog->version != 0) {
		SSL_CTX_set_security_level(
		    context, 0); /* or it would not even offer what is too old */
		ck_assert_int_eq(SSL_CTX_set_min_proto_version(context, dialog->version), 1);
		ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, dialog->version), 1);
	}
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, take_session);
	return context;
}

static int
alert_of(unsigned long error)
{
	int reason = ERR_GET_REASON(error);

	return ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET
	    ? reason - SSL_AD_REASON_OFFSET
	    : 0;
}

bool
tls_client_try(struct client *client, uint16_t port, const struct tls_dialog *dialog, int *alert)
{
	SSL_CTX *context = context_of(dialog);
	struct tls_state *state = calloc(1, sizeof(*state));

	client_open(client, port);
	client->tls = state;
	ck_assert_ptr_nonnull(state);
	/* libssl writes without MSG_NOSIGNAL; a peer that has closed is an error of that call, and no end of the test. */
	(void)signal(SIGPIPE, SIG_IGN);
	state->ssl = SSL_new(context);
	SSL_CTX_free(context);
	SSL_set_app_data(state->ssl, state);
	if (dialog->session != NULL) {
		/* A copy: OpenSSL spoils the one that it uses when a new ticket comes. */
		SSL_SESSION *copy = SSL_SESSION_dup(dialog->session);

		ck_assert_int_eq(SSL_set_session(state->ssl, copy), 1);
		SSL_SESSION_free(copy);
	}
	ck_assert_int_eq(SSL_set_fd(state->ssl, client->fd), 1);
	if (dialog->drips)
		SSL_set0_wbio(state->ssl, drip_bio(client->fd));
	ERR_clear_error();
	*alert = 0;
	if (SSL_connect(state->ssl) == 1)
		return true;
	*alert = alert_of(ERR_peek_last_error());
	client_close(client);
	return false;
}

void
tls_client_open(struct client *client, uint16_t port, const struct tls_dialog *dialog)
{
	int alert;

	ck_assert_msg(tls_client_try(client, port, dialog, &alert),
	    "the handshake failed: alert %d, %s", alert,
	    ERR_reason_error_string(ERR_peek_last_error()));
}

void
tls_client_begin(struct client *client, uint16_t port, size_t count)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *out = BIO_new(BIO_s_mem());
	char *hello;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	ck_assert_int_eq(SSL_connect(ssl), -1);
	long bytes = BIO_get_mem_data(out, &hello);
	client_open(client, port);
	client_send(client, hello, count < (size_t)bytes ? count : (size_t)bytes);
	SSL_free(ssl);
	SSL_CTX_free(context);
}

struct ssl_session_st *
tls_client_session(struct client *client)
{
	SSL_SESSION *session = client->tls->session;

	client->tls->session = NULL;
	return session;
}

bool
tls_client_resumed(const struct client *client)
{
	return SSL_session_reused(client->tls->ssl) == 1;
}

void
tls_client_goodbye(struct client *client)
{
	ck_assert_int_ge(SSL_shutdown(client->tls->ssl), 0);
}

bool
tls_client_heard_goodbye(struct client *client)
{
	client_expect_close(client);
	return client->tls->heard_goodbye;
}

const char *
tls_client_error(const struct client *client)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)client;
	return reason != NULL ? reason : "nothing";
}

int
tls_client_alert(const struct client *client)
{
	(void)client;
	return alert_of(ERR_peek_last_error());
}

bool
tls_client_update_key(struct client *client)
{
	ck_assert_int_eq(SSL_key_update(client->tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	return SSL_do_handshake(client->tls->ssl) == 1;
}

bool
tls_client_renegotiate(struct client *client)
{
	return SSL_renegotiate(client->tls->ssl) == 1 && SSL_do_handshake(client->tls->ssl) == 1;
}

void
tls_client_peer_serial(const struct client *client, char text[64])
{
	X509 *certificate = SSL_get0_peer_certificate(client->tls->ssl);
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *hex = BN_bn2hex(number);

	snprintf(text, 64, "%s", hex);
	OPENSSL_free(hex);
	BN_free(number);
}

ssize_t
tls_client_write(struct client *client, const char *bytes, size_t count)
{
	return SSL_write(client->tls->ssl, bytes, count < 1u << 20 ? (int)count : 1 << 20);
}

ssize_t
tls_client_read(struct client *client, char *room, size_t room_bytes)
{
	ERR_clear_error();
	int count = SSL_read(
	    client->tls->ssl, room, room_bytes < 1u << 20 ? (int)room_bytes : 1 << 20);

	if (count <= 0 && SSL_get_error(client->tls->ssl, count) == SSL_ERROR_ZERO_RETURN)
		client->tls->heard_goodbye = true;
	return count;
}

bool
tls_client_has_bytes(const struct client *client)
{
	return SSL_pending(client->tls->ssl) > 0;
}

void
tls_client_free(struct client *client)
{
	/*
	 * Else OpenSSL takes an end without a good-bye for an attack, and its session for spoiled.
	 */
	SSL_set_shutdown(client->tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client->tls->ssl);
	SSL_SESSION_free(client->tls->session);
	free(client->tls);
}
