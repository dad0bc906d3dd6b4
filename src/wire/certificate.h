/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates (RFC 5280) and their keys (EC P-256), in PEM, by OpenSSL. A private key is a
 * struct secret holding PKCS#8 PEM; inside OpenSSL it exists only for the length of a call.
 * Serial numbers are 127 random bits; validity begins five minutes ago, for clocks that are late.
 */
#ifndef QUOIN_WIRE_CERTIFICATE_H
#define QUOIN_WIRE_CERTIFICATE_H

#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "base/secret.h"
#include "wire/role.h"

/* One PEM certificate or request; ours are near 1 KiB. */
#define CERTIFICATE_MAX (32u * 1024u)

struct authority {
    const char *certificate;  /* PEM */
    const struct secret *key; /* PEM */
};

/* What a certificate shall say. Lists are ended by NULL and may be NULL. */
struct certificate_wish {
    const char *common_name;
    const char *const *names;     /* DNS names it serves */
    const char *const *addresses; /* IPv4 and IPv6 addresses it serves */
    const char *uri;              /* from role_uri, or NULL */
    bool server;                  /* extended key usage serverAuth */
    bool client;                  /* extended key usage clientAuth */
    unsigned days;                /* of validity, at least 1 */
};

/* What a certificate says. */
struct certificate_facts {
    char common_name[65];
    bool has_peer; /* `peer` was read from its one quoin:// URI */
    struct peer peer;
    bool server, client, authority;
    time_t not_before, not_after;
    char fingerprint[65]; /* SHA-256 of the DER, hexadecimal */
};

bool certificate_key_make(struct secret **out_key, struct err *err);
/* Self-signed, may sign certificates and revocation lists, path length 0. */
bool certificate_authority_make(const char *common_name, unsigned days, struct secret **out_key,
                                char **out_certificate, struct err *err);
/* A request (PKCS#10) for `key`, which stays where it was made. The caller frees. */
bool certificate_request_make(const struct secret *key, const char *common_name, char **out_request,
                              struct err *err);
/* The common name that a request asks for. ERR_INPUT: no request, or none in it. */
bool certificate_request_name(const char *request, char out[65], struct err *err);
/* Takes only the public key from the request, after its signature was checked (ERR_INPUT); all else
 * comes from `wish`. The caller frees. */
bool certificate_sign(const struct authority *authority, const char *request,
                      const struct certificate_wish *wish, char **out_certificate, struct err *err);
/* The same for a key of our own. */
bool certificate_make(const struct authority *authority, const struct secret *key,
                      const struct certificate_wish *wish, char **out_certificate, struct err *err);
bool certificate_read(const char *certificate, struct certificate_facts *out, struct err *err);
/* Signed by the authority and valid now, else ERR_DENIED; the message says which. */
bool certificate_check(const char *certificate, const char *authority, struct err *err);
/* The public key in the certificate is that of `key`, else ERR_CLASH. */
bool certificate_fits(const char *certificate, const struct secret *key, struct err *err);

#endif
