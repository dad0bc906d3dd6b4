/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an image stream: refused, or chunks that ascend and lie within its size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tape {
    const uint8_t *at;
    size_t left, piece;
};

static bool tape_read(void *context, void *to, size_t room, size_t *out_length, struct err *err)
{
    struct tape *tape = context;

    (void)err;
    *out_length = tape->left < room ? tape->left : room;
    *out_length = *out_length < tape->piece ? *out_length : tape->piece;
    memcpy(to, tape->at, *out_length);
    tape->at += *out_length;
    tape->left -= *out_length;
    return true;
}

static void judge(struct frames_in *frames)
{
    static unsigned char chunk[CHUNK_SIZE];
    uint64_t next = 0, index = 0;
    size_t length = 0;
    struct err err = {0};

    while (frames_in_next(frames, chunk, &index, &length, &err)) {
        if (length == 0) {
            if (!frames_in_digest(frames)) {
                abort();
            }
            return;
        }
        if (index < next || length > CHUNK_SIZE ||
            index * CHUNK_SIZE + length > frames_in_size(frames)) {
            abort();
        }
        next = index + 1;
    }
    if (err.kind != ERR_INPUT || frames_in_digest(frames)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_frames_in) struct frames_in *frames = NULL;
    struct tape tape = {data, size, size % 7 ? SIZE_MAX : 5};
    struct err err = {0};

    if (frames_in_new(tape_read, &tape, &frames, &err)) {
        judge(frames);
    }
    return 0;
}
