/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ceph_label.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

#define LABEL_MAGIC "bluestore block device\n"
#define LABEL_SIZE  4096u
/* The readable part: magic, UUID, newline. The struct begins behind it. */
#define LABEL_HEAD 60u
/* Names and values in the table: Ceph 16 writes about fifteen. */
#define LABEL_MAX_META 256u

static bool take_number(struct cursor *reader, uint32_t *out)
{
    const unsigned char *b = cursor_take(reader, 4);

    if (!b) {
        return false;
    }
    *out = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

static const char *take_string(struct cursor *reader, uint32_t *out_length)
{
    return take_number(reader, out_length) ? (const char *)cursor_take(reader, *out_length) : NULL;
}

/* CRC-32C (Castagnoli) as Ceph counts it: begins with all ones, not inverted at the end. */
static uint32_t crc32c(const unsigned char *bytes, size_t length)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return crc;
}

static void copy(const char *value, size_t length, char *out, size_t room)
{
    if (length < room && !memchr(value, '\0', length)) {
        memcpy(out, value, length);
        out[length] = '\0';
    }
}

static void learn(const char *name, size_t name_length, const char *value, size_t length,
                  struct ceph_label *label)
{
    const struct {
        const char *name;
        char *out;
        size_t room;
    } known[] = {{"ceph_fsid", label->cluster, sizeof(label->cluster)},
                 {"whoami", label->number, sizeof(label->number)}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (name_length == strlen(known[i].name) && !memcmp(name, known[i].name, name_length)) {
            copy(value, length, known[i].out, known[i].room);
        }
    }
    if (name_length == strlen("ready") && !memcmp(name, "ready", name_length)) {
        label->ready = length == strlen("ready") && !memcmp(value, "ready", length);
    }
}

static bool read_meta(struct cursor *reader, struct ceph_label *label)
{
    uint32_t count = 0;

    if (!take_number(reader, &count) || count > LABEL_MAX_META) {
        return false;
    }
    while (count-- > 0) {
        uint32_t name_length = 0, length = 0;
        const char *name = take_string(reader, &name_length);
        const char *value = name ? take_string(reader, &length) : NULL;

        if (!value) {
            return false;
        }
        learn(name, name_length, value, length, label);
    }
    return true;
}

/* version, compatible version, length; then UUID (16), size (8), time (8), description, table. */
static bool read_struct(const unsigned char *head, struct ceph_label *label)
{
    struct cursor outer = {head + LABEL_HEAD, LABEL_SIZE - LABEL_HEAD};
    const unsigned char *versions = cursor_take(&outer, 2);
    uint32_t length = 0, crc = 0, ignored = 0;

    if (!versions || versions[0] < 2 || versions[1] > 2 || !take_number(&outer, &length)) {
        return false;
    }
    struct cursor inner = {outer.at, length};

    return cursor_take(&outer, length) && take_number(&outer, &crc) &&
           crc == crc32c(head, (size_t)(outer.at - 4 - head)) && cursor_take(&inner, 16 + 8 + 8) &&
           take_string(&inner, &ignored) && read_meta(&inner, label);
}

bool ceph_label_read(const unsigned char *head, size_t length, struct ceph_label *out)
{
    struct ceph_label label = {.whole = false}, bare = label;

    if (length < LABEL_SIZE || memcmp(head, LABEL_MAGIC, strlen(LABEL_MAGIC)) != 0) {
        return false;
    }
    memcpy(bare.osd, head + strlen(LABEL_MAGIC), UUID_SIZE - 1);
    if (!uuid_valid(bare.osd) || head[LABEL_HEAD - 1] != '\n') {
        bare.osd[0] = '\0';
    }
    label = bare;
    label.whole = read_struct(head, &label) && (!label.cluster[0] || uuid_valid(label.cluster));
    *out = label.whole ? label : bare;
    return true;
}
