#include "frontd/tls/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "conf/conf.h"
#include "frontd/frontd.h"

#define NAMES_MAX 16
#define NAME_BYTES_MAX 255

/* First those of subjectAltName, then the common name. */
struct tls_names {
	size_t count, san_count;
	struct tls_name name[NAMES_MAX];
	char text[NAMES_MAX][NAME_BYTES_MAX + 1];
};

static bool
is_clean(const unsigned char *bytes, int count)
{
	for (int i = 0; i < count; i++)
		if (bytes[i] <= ' ' || bytes[i] >= 0x7f)
			return false;
	return count > 0 && count <= NAME_BYTES_MAX;
}

static void
add(struct tls_names *names, enum tls_name_kind kind, const ASN1_STRING *string)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(string);
	int count = ASN1_STRING_length(string);

	/*
	 * A NUL within would make two names of one: the authority signed the whole, a reader of C
	 * strings sees the first.
	 */
	if (names->count == NAMES_MAX || !is_clean(bytes, count))
		return;
	memcpy(names->text[names->count], bytes, (size_t)count);
	names->name[names->count] = (struct tls_name){ .kind = kind,
		.text = names->text[names->count] };
	names->count++;
}

static void
add_alternatives(struct tls_names *names, X509 *certificate)
{
	GENERAL_NAMES *alternatives = X509_get_ext_d2i(
	    certificate, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(alternatives, i);

		if (one->type == GEN_DNS)
			add(names, TLS_NAME_DNS, one->d.dNSName);
		else if (one->type == GEN_EMAIL)
			add(names, TLS_NAME_EMAIL, one->d.rfc822Name);
		else if (one->type == GEN_URI)
			add(names, TLS_NAME_URI, one->d.uniformResourceIdentifier);
	}
	GENERAL_NAMES_free(alternatives);
	names->san_count = names->count;
}

/* Only where it is the one: which of two would be meant? */
static void
add_common_name(struct tls_names *names, X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return;
	const ASN1_STRING *string = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	int type = ASN1_STRING_type(string);
	if (type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING || type == V_ASN1_IA5STRING)
		add(names, TLS_NAME_CN, string);
}

struct tls_names *
tls_names_of(const SSL *ssl)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);

	if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	struct tls_names *names = calloc(1, sizeof(*names));
	if (names == NULL)
		return NULL;
	add_alternatives(names, certificate);
	if (names->count == NAMES_MAX)
		names->count = --names->san_count; /* a place for the common name */
	add_common_name(names, certificate);
	if (names->count != 0)
		return names;
	free(names);
	return NULL;
}

void
tls_names_free(struct tls_names *names)
{
	free(names);
}

size_t
tls_peer_names(const struct frontd *frontd, const struct conn *conn, const struct tls_name **names)
{
	const struct tls_names *own = conn->tls != NULL ? conn->tls->names : NULL;

	*names = NULL;
	if (own == NULL || frontd->limits.client_users == CONF_CLIENT_USERS_OFF)
		return 0;
	bool is_san = frontd->limits.client_users == CONF_CLIENT_USERS_SAN;
	*names = own->name + (is_san ? 0 : own->san_count);
	return is_san ? own->san_count : own->count - own->san_count;
}
