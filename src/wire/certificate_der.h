/* SPDX-License-Identifier: Apache-2.0 */
/* Inside wire: a peer's certificate as TLS hands it over. One reader for both TLS libraries. */
#ifndef QUOIN_WIRE_CERTIFICATE_DER_H
#define QUOIN_WIRE_CERTIFICATE_DER_H

#include "wire/certificate.h"

bool certificate_read_der(const unsigned char *der, size_t length, struct certificate_facts *out,
                          struct err *err);

#endif
