/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/source.h"

#include <stdlib.h>
#include <string.h>

#include "blueprint/blueprint.h"

/* One character: its length in bytes, 0 if it is not UTF-8 (overlong, surrogate, too large, cut).
 */
static size_t character(const unsigned char *at, size_t left, uint32_t *out)
{
    static const struct {
        unsigned char mask, lead;
        size_t length;
        uint32_t min;
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};

    for (size_t f = 0; f < COUNT_OF(forms); f++) {
        if ((at[0] & forms[f].mask) != forms[f].lead || left < forms[f].length) {
            continue;
        }
        uint32_t code = at[0] & (unsigned char)~forms[f].mask;

        for (size_t i = 1; i < forms[f].length; i++) {
            if ((at[i] & 0xc0) != 0x80) {
                return 0;
            }
            code = code << 6 | (at[i] & 0x3f);
        }
        *out = code;
        return code < forms[f].min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)
                   ? 0
                   : forms[f].length;
    }
    return 0;
}

/* Characters that show as something else than they are, or that a terminal would obey. */
static const struct {
    uint32_t first, last;
    const char *what;
} refused[] = {
    {0x0000, 0x0000, "a NUL character"},
    {0x0001, 0x0008, "a control character"},
    {0x000b, 0x001f, "a control character"},
    {0x007f, 0x009f, "a control character"},
    {0x061c, 0x061c, "a character that turns the direction of text"},
    {0x200b, 0x200d, "an invisible character"},
    {0x200e, 0x200f, "a character that turns the direction of text"},
    {0x2028, 0x2029, "a line separator that is no line feed"},
    {0x202a, 0x202e, "a character that turns the direction of text"},
    {0x2060, 0x2064, "an invisible character"},
    {0x2066, 0x2069, "a character that turns the direction of text"},
    {0xfeff, 0xfeff, "a byte order mark"},
    {0xfff9, 0xfffb, "an invisible character"},
    {0xfffe, 0xffff, "a character that is none"},
};

static const char *fault_of(const unsigned char *at, size_t left, size_t *step, uint32_t *code)
{
    *step = character(at, left, code);
    if (*step == 0) {
        return "bytes that are not UTF-8";
    }
    if (*code == '\r' && left > 1 && at[1] == '\n') {
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if (*code >= refused[i].first && *code <= refused[i].last) {
            return refused[i].what;
        }
    }
    return NULL;
}

bool source_clean(const char *bytes, size_t length)
{
    uint32_t code;
    size_t step;

    for (size_t at = 0; at < length; at += step) {
        if (fault_of((const unsigned char *)bytes + at, length - at, &step, &code)) {
            return false;
        }
    }
    return true;
}

void source_defuse(char *text)
{
    size_t left = strlen(text);
    uint32_t code;
    size_t step;

    for (char *at = text; left > 0; at += step, left -= step) {
        bool fault = fault_of((const unsigned char *)at, left, &step, &code);

        step = step ? step : 1;
        if (fault || code < 0x20) {
            memset(at, '?', step);
        }
    }
}

static bool say(struct findings *findings, unsigned line, unsigned column, const char *what,
                const char *remedy)
{
    findings_add(findings, &(struct finding){SEVERITY_ERROR, "", line, column, what, remedy});
    return false;
}

bool source_open(struct source *source, const char *bytes, size_t length, struct findings *findings)
{
    unsigned line = 1, column = 1;
    uint32_t code;
    size_t step;

    if (length > BLUEPRINT_MAX_BYTES) {
        return say(findings, 0, 0, "larger than 1 MiB",
                   "a blueprint of a thousand hosts is smaller");
    }
    *source = (struct source){.bytes = bytes, .length = length};
    source->offsets = text_room(length + 1, sizeof(*source->offsets));
    for (size_t at = 0; at < length; at += step) {
        const char *fault = fault_of((const unsigned char *)bytes + at, length - at, &step, &code);

        if (fault) {
            return say(findings, line, column, fault, "save the file as plain UTF-8 text");
        }
        source->offsets[source->characters++] = (uint32_t)at;
        column = code == '\n' ? 1 : column + 1;
        line += code == '\n';
    }
    return true;
}

void source_close(struct source *source)
{
    free(source->offsets);
    *source = (struct source){0};
}

size_t source_offset(const struct source *source, size_t index)
{
    return index < source->characters ? source->offsets[index] : source->length;
}
