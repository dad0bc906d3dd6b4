/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a sealed chest, and as the archive in one that is sealed with the right key. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/hkdf.h"
#include "seal/chest.h"

#define VM "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *vm_key, *box_key;
static unsigned char *clear;
static size_t clear_size;

static void begin(void)
{
    char envelope[] = "{}";
    const struct chest_about about = {.vm = VM, .generation = 1, .envelope = envelope};
    AUTO(drop_chest) struct chest *chest = chest_new();
    AUTO(drop_chest_about) struct chest_about said = {0};
    size_t length = 0;
    struct err err = {0};

    if (!secret_random(32, &vm_key, &err) ||
        !hkdf_derive(vm_key, SPAN_NONE, span_text("home"), AEAD_KEY_SIZE, &box_key, &err) ||
        !chest_seal(chest, &about, vm_key, &clear, &length, &err) ||
        !chest_look(clear, length, &said, &clear_size, &err)) {
        abort();
    }
}

static void open_archive(const uint8_t *data, size_t size)
{
    AUTO(drop_chest) struct chest *chest = NULL;
    AUTO(drop_free) unsigned char *box = NULL, *bytes = NULL;
    size_t box_size = 0;
    struct err err = {0};

    if (!aead_seal_bytes(box_key, span_of(clear, clear_size), span_of(data, size), &box, &box_size,
                         &err)) {
        return;
    }
    bytes = malloc(clear_size + box_size);
    memcpy(bytes, clear, clear_size);
    memcpy(bytes + clear_size, box, box_size);
    if (chest_open(bytes, clear_size + box_size, VM, 1, vm_key, &chest, &err)) {
        for (size_t i = 0; i < chest_count(chest); i++) {
            if (strchr(chest_name(chest, i), '/') || !chest_get(chest, chest_name(chest, i))) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    struct chest *chest = NULL;
    struct err err = {0};

    if (!vm_key) {
        begin();
    }
    if (chest_look(data, size, &about, NULL, &err) && !uuid_valid(about.vm)) {
        abort();
    }
    if (chest_open(data, size, VM, 1, vm_key, &chest, &err)) {
        abort(); /* nobody guesses the key */
    }
    open_archive(data, size);
    return 0;
}
