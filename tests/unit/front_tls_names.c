/*
 * tls_names: who a client is by its certificate.  A handshake in memory, with certificates that are
 * made here.
 */
#include <string.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/harness/unit.h"

#include "conf/conf.h"
#include "frontd/frontd.h"
#include "frontd/tls/names.h"

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	ck_assert_ptr_nonnull(key);
	return key;
}

static void
add_name(X509_NAME *subject, const char *name, int bytes)
{
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
			     (const unsigned char *)name, bytes, -1, 0),
	    1);
}

/* Signed by itself; common_names end with NULL. */
static X509 *
make_certificate(EVP_PKEY *key, const char *const *common_names, const char *alternatives)
{
	X509 *certificate = X509_new();

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	for (unsigned i = 0; common_names[i] != NULL; i++)
		add_name(X509_get_subject_name(certificate), common_names[i], -1);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	if (alternatives != NULL) {
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(
		    NULL, NULL, NID_subject_alt_name, alternatives);

		ck_assert_ptr_nonnull(extension);
		X509_add_ext(certificate, extension, -1);
		X509_EXTENSION_free(extension);
	}
	ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
	return certificate;
}

static int
believe(int is_good, X509_STORE_CTX *store)
{
	(void)is_good;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

/* What the server sees of a client with this certificate (NULL: none). */
static struct tls_names *
names_by_handshake(X509 *certificate, EVP_PKEY *key)
{
	SSL_CTX *server_context = SSL_CTX_new(TLS_server_method()),
		*client_context = SSL_CTX_new(TLS_client_method());
	EVP_PKEY *server_key = make_key();
	X509 *server_certificate = make_certificate(
	    server_key, (const char *const[]){ "server", NULL }, NULL);
	BIO *one, *other;

	SSL_CTX_use_certificate(server_context, server_certificate);
	SSL_CTX_use_PrivateKey(server_context, server_key);
	SSL_CTX_set_verify(server_context, SSL_VERIFY_PEER, believe);
	if (certificate != NULL) {
		SSL_CTX_use_certificate(client_context, certificate);
		SSL_CTX_use_PrivateKey(client_context, key);
	}
	SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
	ck_assert_int_eq(BIO_new_bio_pair(&one, 0, &other, 0), 1);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	for (int i = 0; i < 10 && !(SSL_is_init_finished(server) && SSL_is_init_finished(client));
	     i++) {
		(void)SSL_connect(client);
		(void)SSL_accept(server);
	}
	ck_assert(SSL_is_init_finished(server));
	struct tls_names *names = tls_names_of(server);
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
	X509_free(server_certificate);
	EVP_PKEY_free(server_key);
	return names;
}

static struct frontd frontd;
static struct tls tls;
static struct conn conn = { .tls = &tls };

static void
see(const char *const *common_names, const char *alternatives)
{
	EVP_PKEY *key = make_key();
	X509 *certificate = make_certificate(key, common_names, alternatives);

	tls_names_free(tls.names);
	tls.names = names_by_handshake(certificate, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

#define SEE(alternatives, ...) see((const char *const[]){ __VA_ARGS__, NULL }, alternatives)

static size_t
names_by(enum conf_client_users users, const struct tls_name **names)
{
	frontd.limits.client_users = users;
	return tls_peer_names(&frontd, &conn, names);
}

START_TEST(the_alternatives_are_given_in_their_order_and_the_common_name_apart)
{
	const struct tls_name *names;

	SEE("DNS:alice.example,email:alice@example.org,URI:spiffe://example/alice,IP:127.0.0.1",
	    "alice");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_SAN, &names), 3);
	ck_assert_int_eq(names[0].kind, TLS_NAME_DNS);
	ck_assert_str_eq(names[0].text, "alice.example");
	ck_assert_int_eq(names[1].kind, TLS_NAME_EMAIL);
	ck_assert_str_eq(names[1].text, "alice@example.org");
	ck_assert_int_eq(names[2].kind, TLS_NAME_URI);
	ck_assert_str_eq(names[2].text, "spiffe://example/alice");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_CN, &names), 1);
	ck_assert_int_eq(names[0].kind, TLS_NAME_CN);
	ck_assert_str_eq(names[0].text, "alice");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_OFF, &names), 0);
	ck_assert_ptr_null(names);
}
END_TEST

START_TEST(nobody_has_a_name_without_a_certificate_or_without_tls)
{
	const struct tls_name *names;
	struct conn plain = { .tls = NULL };

	ck_assert_ptr_null(names_by_handshake(NULL, NULL));
	frontd.limits.client_users = CONF_CLIENT_USERS_CN;
	ck_assert_uint_eq(tls_peer_names(&frontd, &plain, &names), 0);
	ck_assert_uint_eq(tls_peer_names(&frontd, &conn, &names), 0);
}
END_TEST

START_TEST(names_that_could_be_mistaken_are_left_out)
{
	const struct tls_name *names;

	SEE("DNS:fine", "two", "names");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_CN, &names), 0);
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_SAN, &names), 1);
	SEE("DNS:fine", "al ice");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_CN, &names), 0);
	SEE("DNS:fine", "al\xc3\xad" "ce");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_CN, &names), 0);
	/* A NUL within: who reads C strings sees another name than was signed. */
	EVP_PKEY *key = make_key();
	X509 *certificate = make_certificate(key, (const char *const[]){ NULL }, "DNS:fine");
	add_name(X509_get_subject_name(certificate), "admin\0.attacker.example", 23);
	X509_sign(certificate, key, EVP_sha256());
	tls_names_free(tls.names);
	tls.names = names_by_handshake(certificate, key);
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_CN, &names), 0);
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_SAN, &names), 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(of_very_many_names_the_first_and_the_common_one_are_kept)
{
	char alternatives[2000] = "DNS:n0";
	const struct tls_name *names;

	for (int i = 1; i < 100; i++)
		sprintf(alternatives + strlen(alternatives), ",DNS:n%d", i);
	SEE(alternatives, "common");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_SAN, &names), 15);
	ck_assert_str_eq(names[14].text, "n14");
	ck_assert_uint_eq(names_by(CONF_CLIENT_USERS_CN, &names), 1);
	ck_assert_str_eq(names[0].text, "common");
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front/tls_names");
	TCase *names = tcase_create("names");

	tcase_set_timeout(names, 20);
	tcase_add_test(names, the_alternatives_are_given_in_their_order_and_the_common_name_apart);
	tcase_add_test(names, nobody_has_a_name_without_a_certificate_or_without_tls);
	tcase_add_test(names, names_that_could_be_mistaken_are_left_out);
	tcase_add_test(names, of_very_many_names_the_first_and_the_common_one_are_kept);
	suite_add_tcase(suite, names);
	return suite;
}

UNIT_MAIN(suite)
