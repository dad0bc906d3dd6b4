/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed document: a JWS (RFC 7515) in flattened JSON, alg ES256, by a private key on P-256; here
 * the cluster's CA. Anybody may read it, and whoever has the CA's certificate knows that it was not
 * made by somebody else.
 *
 *   {"payload": base64url of the JSON, "protected": base64url of {"alg":"ES256"}, "signature":…}
 *
 * `jose jws ver` checks it as well.
 */
#ifndef QUOIN_KEY_JWS_H
#define QUOIN_KEY_JWS_H

#include "base/json.h"
#include "base/secret.h"

/* Characters of the payload in base64url. */
#define JWS_MAX_PAYLOAD 16384u

/* `private_key`: PEM. A new reference. */
bool jws_sign(const struct secret *private_key, const json_t *payload, json_t **out,
              struct err *err);
/* `certificate`: PEM. ERR_INPUT: no such document. ERR_DENIED: not signed by that key, or changed.
 */
bool jws_verify(const char *certificate, const json_t *jws, json_t **out_payload, struct err *err);

#endif
