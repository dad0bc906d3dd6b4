/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TTLV codec as a filter, for tests/unit/key/kmip-messages. A message as lines is one line an
 * item, "DEPTH TAG TYPE VALUE" in hexadecimal, and an empty line at the end.
 *
 *   ttlv_lines encode   lines in, one line of hexadecimal out for each message
 *   ttlv_lines decode   the opposite
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "key/ttlv.h"

#define MAX_LINE    65536
#define MAX_MESSAGE 32768

static void die(const char *what)
{
    (void)fprintf(stderr, "ttlv_lines: %s\n", what);
    exit(1);
}

static void put_item(struct ttlv_writer *writer, uint32_t tag, unsigned type, const char *hex)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *text = NULL;
    size_t size = 0;
    struct err err = {0};
    uint64_t number = strtoull(hex, NULL, 16);

    if (type == TTLV_TEXT || type == TTLV_BYTES || type == TTLV_BIG) {
        if (!decode_hex(hex, &bytes, &size, &err)) {
            die(err.what);
        }
    }
    switch (type) {
    case TTLV_STRUCTURE:
        ttlv_put_begin(writer, tag);
        break;
    case TTLV_INTEGER:
        ttlv_put_integer(writer, tag, (int32_t)(uint32_t)number);
        break;
    case TTLV_LONG:
        ttlv_put_long(writer, tag, (int64_t)number);
        break;
    case TTLV_BIG:
        ttlv_put_big(writer, tag, span_of(bytes, size));
        break;
    case TTLV_ENUM:
        ttlv_put_enum(writer, tag, (uint32_t)number);
        break;
    case TTLV_BOOL:
        ttlv_put_bool(writer, tag, number == 1);
        break;
    case TTLV_TEXT:
        text = text_make("%.*s", (int)size, (const char *)bytes);
        ttlv_put_text(writer, tag, text);
        break;
    case TTLV_BYTES:
        ttlv_put_bytes(writer, tag, span_of(bytes, size));
        break;
    case TTLV_DATE:
        ttlv_put_date(writer, tag, (int64_t)number);
        break;
    case TTLV_INTERVAL:
        ttlv_put_interval(writer, tag, (uint32_t)number);
        break;
    default:
        die("no such type");
    }
}

static void write_message(struct ttlv_writer *writer)
{
    AUTO(drop_free) char *hex = NULL;
    size_t size = 0;
    struct err err = {0};

    while (writer->depth > 0) {
        ttlv_put_end(writer);
    }
    if (!ttlv_end(writer, &size, &err)) {
        die(err.what);
    }
    hex = encode_hex(writer->bytes, size);
    puts(hex);
}

static void encode(void)
{
    static unsigned char bytes[MAX_MESSAGE];
    static char line[MAX_LINE];
    struct ttlv_writer writer = ttlv_writer(bytes, sizeof(bytes));

    while (fgets(line, sizeof(line), stdin)) {
        unsigned depth = 0, tag = 0, type = 0;
        int at = 0;

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0') {
            write_message(&writer);
            writer = ttlv_writer(bytes, sizeof(bytes));
            continue;
        }
        if (sscanf(line, "%x %x %x %n", &depth, &tag, &type, &at) != 3) {
            die("not DEPTH TAG TYPE VALUE");
        }
        while (writer.depth > depth) {
            ttlv_put_end(&writer);
        }
        put_item(&writer, tag, type, line + at);
    }
}

static void print_items(const struct ttlv *structure, unsigned depth);

static void print_item(const struct ttlv *item, unsigned depth)
{
    AUTO(drop_free) char *hex = NULL;

    printf("%x %x %x ", depth, item->tag, item->type);
    switch (item->type) {
    case TTLV_STRUCTURE:
        puts("");
        print_items(item, depth + 1);
        break;
    case TTLV_INTEGER:
        printf("%x\n", (unsigned)ttlv_integer(item));
        break;
    case TTLV_ENUM:
    case TTLV_INTERVAL:
        printf("%x\n", ttlv_enum(item));
        break;
    case TTLV_BOOL:
        printf("%x\n", ttlv_bool(item));
        break;
    case TTLV_LONG:
    case TTLV_DATE:
    case TTLV_DATE_EXTENDED:
        printf("%llx\n", (unsigned long long)ttlv_long(item));
        break;
    default:
        hex = encode_hex(item->value, item->length);
        puts(hex);
    }
}

static void print_items(const struct ttlv *structure, unsigned depth)
{
    struct ttlv_reader reader = ttlv_inside(structure);
    struct ttlv item;

    while (ttlv_next(&reader, &item)) {
        print_item(&item, depth);
    }
}

static void decode(void)
{
    static char line[MAX_LINE];

    while (fgets(line, sizeof(line), stdin)) {
        AUTO(drop_free) unsigned char *bytes = NULL;
        struct ttlv message;
        size_t size = 0;
        struct err err = {0};

        line[strcspn(line, "\n")] = '\0';
        if (!decode_hex(line, &bytes, &size, &err) ||
            !ttlv_read(span_of(bytes, size), &message, &err)) {
            die(err.what);
        }
        print_item(&message, 0);
        puts("");
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "encode") == 0) {
        encode();
    } else if (argc == 2 && strcmp(argv[1], "decode") == 0) {
        decode();
    } else {
        die("usage: ttlv_lines encode|decode");
    }
    return 0;
}
