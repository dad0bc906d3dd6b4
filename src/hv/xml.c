/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/xml.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void add_escaped(struct text *xml, const char *value)
{
    static const struct {
        char character;
        const char *entity;
    } entities[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&apos;"}, {'"', "&quot;"}};

    for (; *value; value++) {
        bool control = (unsigned char)*value < ' ' || *value == 0x7f;
        const char *entity = NULL;

        for (size_t i = 0; i < COUNT_OF(entities); i++) {
            entity = *value == entities[i].character ? entities[i].entity : entity;
        }
        if (entity) {
            text_add(xml, entity);
        } else {
            text_add_bytes(xml, control ? "?" : value, 1);
        }
    }
}

void xml_addf(struct text *xml, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    for (const char *percent; (percent = strchr(format, '%')); format = percent + 2) {
        text_add_bytes(xml, format, (size_t)(percent - format));
        if (percent[1] == 's') {
            add_escaped(xml, va_arg(list, const char *));
        } else {
            assert(percent[1] == 'u');
            text_addf(xml, "%u", va_arg(list, unsigned));
        }
    }
    text_add(xml, format);
    va_end(list);
}
