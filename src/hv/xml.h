/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XML that cannot be broken out of: a printf that knows %s and %u, and escapes every %s so that it
 * stays text or the inside of a quoted attribute (XML 1.0, section 2.4). A control character, which
 * XML 1.0 cannot carry, becomes '?'.
 */
#ifndef QUOIN_HV_XML_H
#define QUOIN_HV_XML_H

#include "base/text.h"

void xml_addf(struct text *xml, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
