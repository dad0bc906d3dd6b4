/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private key for a key server that never leaves its host: made here, kept sealed to the host
 * (hostseal.h), and shown to the outside only as a certificate signing request (PKCS#10), which the
 * key server's people sign.
 */
#ifndef QUOIN_KEY_KMIPREQUEST_H
#define QUOIN_KEY_KMIPREQUEST_H

#include "key/provider.h"

/* Made where there is none; the same key as long as it lies there, so a request that is already
 * being signed stays good. `conf` needs folder and host. The caller frees the PEM text. */
bool kmiprequest_make(const struct provider_conf *conf, const char *common_name, char **out_pem,
                      struct err *err);

#endif
