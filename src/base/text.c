/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

static void make_room(struct text *text, size_t more)
{
    if (more > SIZE_MAX / 4 || text->length > SIZE_MAX / 4) {
        abort();
    }
    size_t need = text->length + more + 1;

    if (need > text->room) {
        size_t room = need < 64 ? 64 : need + need / 2;

        text->bytes = must(realloc(text->bytes, room));
        text->room = room;
    }
}

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
    make_room(text, length);
    if (length > 0) {
        memcpy(text->bytes + text->length, bytes, length);
    }
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

__attribute__((format(printf, 2, 0))) static void add_list(struct text *text, const char *format,
                                                           va_list list)
{
    AUTO(drop_free) char *piece = NULL;

    if (vasprintf(&piece, format, list) < 0) {
        abort();
    }
    text_add(text, piece);
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    add_list(text, format, list);
    va_end(list);
}

char *text_take(struct text *text)
{
    char *bytes = text->bytes ? text->bytes : text_copy("");

    *text = (struct text){0};
    return bytes;
}

void text_clear(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

char *text_copy(const char *string)
{
    return string ? must(strdup(string)) : NULL;
}

char *text_make(const char *format, ...)
{
    struct text text = {0};
    va_list list;

    va_start(list, format);
    add_list(&text, format, list);
    va_end(list);
    return text_take(&text);
}

void *text_room(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1));
}

bool text_starts(const char *string, const char *start)
{
    return strncmp(string, start, strlen(start)) == 0;
}

void text_flatten(char *string)
{
    for (unsigned char *at = (unsigned char *)string; *at; at++) {
        if (*at < ' ' || *at == 0x7f) {
            *at = ' ';
        } else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) {
            at[0] = at[1] = ' ';
        }
    }
}

const char *text_size(unsigned long long bytes, char out[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}
