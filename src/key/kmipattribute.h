/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of an object at a key server, in both ways of writing them: up to KMIP 1.4 an
 * attribute has a name ("State") and a value under a general tag; from 2.0 on each has a tag of its
 * own, and all of them lie in one structure. Pure.
 *
 *   1.x   Template-Attribute { Attribute { Attribute Name "State", Attribute Value … } … }
 *   2.x   Attributes { State … }
 */
#ifndef QUOIN_KEY_KMIPATTRIBUTE_H
#define QUOIN_KEY_KMIPATTRIBUTE_H

#include "key/kmipcall.h"

/* What we put into requests, each by its tag of 2.x. */
struct kmipattributes {
    struct ttlv_writer *writer;
    bool by_tag;  /* 2.x */
    bool wrapped; /* a structure around all of them is open */
};

/* `fresh`: the template of an object that is to be made; otherwise what is searched for. */
struct kmipattributes kmipattributes_begin(struct ttlv_writer *writer, struct kmip_version version,
                                           bool fresh);
void kmipattributes_end(struct kmipattributes *attributes);
void kmipattributes_enum(struct kmipattributes *attributes, enum kmip_tag tag, uint32_t value);
void kmipattributes_integer(struct kmipattributes *attributes, enum kmip_tag tag, int32_t value);
void kmipattributes_name(struct kmipattributes *attributes, const char *name);
/* Application Specific Information. */
void kmipattributes_application(struct kmipattributes *attributes, const char *space,
                                const char *data);

/* In a Get Attributes request: this one is asked for. */
void kmipattribute_ask(struct ttlv_writer *writer, struct kmip_version version, enum kmip_tag tag);
/* Out of the response's payload. ERR_INPUT: it is not there, or is no enumeration. */
bool kmipattribute_enum(const struct ttlv *payload, struct kmip_version version, enum kmip_tag tag,
                        uint32_t *out, struct err *err);
/* One of its names is this one. */
bool kmipattribute_has_name(const struct ttlv *payload, struct kmip_version version,
                            const char *name);

#endif
