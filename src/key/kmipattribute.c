/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmipattribute.h"

#include <string.h>

enum { NAME_IS_TEXT = 1 }; /* KMIP 1.4, 9.1.3.2.11 */

static const struct {
    enum kmip_tag tag;
    const char *name;
} names[] = {
    {KMIP_CRYPTOGRAPHIC_ALGORITHM, "Cryptographic Algorithm"},
    {KMIP_CRYPTOGRAPHIC_LENGTH, "Cryptographic Length"},
    {KMIP_CRYPTOGRAPHIC_USAGE_MASK, "Cryptographic Usage Mask"},
    {KMIP_NAME, "Name"},
    {KMIP_APPLICATION_INFORMATION, "Application Specific Information"},
    {KMIP_STATE, "State"},
};

static const char *name_of(enum kmip_tag tag)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i].tag == tag) {
            return names[i].name;
        }
    }
    return "";
}

static bool has_tags(struct kmip_version version)
{
    return version.major >= 2;
}

/* --- request --------------------------------------------------------------------------------- */

struct kmipattributes kmipattributes_begin(struct ttlv_writer *writer, struct kmip_version version,
                                           bool fresh)
{
    struct kmipattributes attributes = {.writer = writer, .by_tag = has_tags(version)};

    attributes.wrapped = attributes.by_tag || fresh;
    if (attributes.wrapped) {
        ttlv_put_begin(writer, attributes.by_tag ? KMIP_ATTRIBUTES : KMIP_TEMPLATE_ATTRIBUTE);
    }
    return attributes;
}

void kmipattributes_end(struct kmipattributes *attributes)
{
    if (attributes->wrapped) {
        ttlv_put_end(attributes->writer);
    }
}

/* The tag that the value goes under. */
static enum kmip_tag begin_one(struct kmipattributes *attributes, enum kmip_tag tag)
{
    if (attributes->by_tag) {
        return tag;
    }
    ttlv_put_begin(attributes->writer, KMIP_ATTRIBUTE);
    ttlv_put_text(attributes->writer, KMIP_ATTRIBUTE_NAME, name_of(tag));
    return KMIP_ATTRIBUTE_VALUE;
}

static void end_one(struct kmipattributes *attributes)
{
    if (!attributes->by_tag) {
        ttlv_put_end(attributes->writer);
    }
}

void kmipattributes_enum(struct kmipattributes *attributes, enum kmip_tag tag, uint32_t value)
{
    ttlv_put_enum(attributes->writer, begin_one(attributes, tag), value);
    end_one(attributes);
}

void kmipattributes_integer(struct kmipattributes *attributes, enum kmip_tag tag, int32_t value)
{
    ttlv_put_integer(attributes->writer, begin_one(attributes, tag), value);
    end_one(attributes);
}

void kmipattributes_name(struct kmipattributes *attributes, const char *name)
{
    struct ttlv_writer *writer = attributes->writer;

    ttlv_put_begin(writer, begin_one(attributes, KMIP_NAME));
    ttlv_put_text(writer, KMIP_NAME_VALUE, name);
    ttlv_put_enum(writer, KMIP_NAME_TYPE, NAME_IS_TEXT);
    ttlv_put_end(writer);
    end_one(attributes);
}

void kmipattributes_application(struct kmipattributes *attributes, const char *space,
                                const char *data)
{
    struct ttlv_writer *writer = attributes->writer;

    ttlv_put_begin(writer, begin_one(attributes, KMIP_APPLICATION_INFORMATION));
    ttlv_put_text(writer, KMIP_APPLICATION_NAMESPACE, space);
    ttlv_put_text(writer, KMIP_APPLICATION_DATA, data);
    ttlv_put_end(writer);
    end_one(attributes);
}

void kmipattribute_ask(struct ttlv_writer *writer, struct kmip_version version, enum kmip_tag tag)
{
    if (has_tags(version)) {
        ttlv_put_enum(writer, KMIP_ATTRIBUTE_REFERENCE, tag);
    } else {
        ttlv_put_text(writer, KMIP_ATTRIBUTE_NAME, name_of(tag));
    }
}

/* --- response -------------------------------------------------------------------------------- */

static bool has_text(const struct ttlv *structure, enum kmip_tag tag, const char *wanted)
{
    struct ttlv text;

    return ttlv_find(structure, tag, TTLV_TEXT, &text) && text.length == strlen(wanted) &&
           memcmp(text.value, wanted, text.length) == 0;
}

static bool is_named(const struct ttlv *attribute, const char *name)
{
    return has_text(attribute, KMIP_ATTRIBUTE_NAME, name);
}

static bool find_named(const struct ttlv *payload, const char *name, struct ttlv *out)
{
    struct ttlv_reader reader = ttlv_inside(payload);
    struct ttlv item;

    while (ttlv_next(&reader, &item)) {
        if (item.tag == KMIP_ATTRIBUTE && item.type == TTLV_STRUCTURE && is_named(&item, name)) {
            return ttlv_find(&item, KMIP_ATTRIBUTE_VALUE, TTLV_ENUM, out);
        }
    }
    return false;
}

bool kmipattribute_enum(const struct ttlv *payload, struct kmip_version version, enum kmip_tag tag,
                        uint32_t *out, struct err *err)
{
    struct ttlv attributes, value;
    bool found = has_tags(version)
                     ? ttlv_find(payload, KMIP_ATTRIBUTES, TTLV_STRUCTURE, &attributes) &&
                           ttlv_find(&attributes, tag, TTLV_ENUM, &value)
                     : find_named(payload, name_of(tag), &value);

    if (!found) {
        return err_set(err, ERR_INPUT, "the message has no attribute '%s'", name_of(tag));
    }
    *out = ttlv_enum(&value);
    return true;
}

bool kmipattribute_has_name(const struct ttlv *payload, struct kmip_version version,
                            const char *name)
{
    struct ttlv around = *payload, item, value;
    bool by_tag = has_tags(version);

    if (by_tag && !ttlv_find(payload, KMIP_ATTRIBUTES, TTLV_STRUCTURE, &around)) {
        return false;
    }
    struct ttlv_reader reader = ttlv_inside(&around);

    while (ttlv_next(&reader, &item)) {
        if (item.type != TTLV_STRUCTURE) {
            continue;
        }
        if (by_tag ? item.tag == KMIP_NAME && has_text(&item, KMIP_NAME_VALUE, name)
                   : item.tag == KMIP_ATTRIBUTE && is_named(&item, name_of(KMIP_NAME)) &&
                         ttlv_find(&item, KMIP_ATTRIBUTE_VALUE, TTLV_STRUCTURE, &value) &&
                         has_text(&value, KMIP_NAME_VALUE, name)) {
            return true;
        }
    }
    return false;
}
