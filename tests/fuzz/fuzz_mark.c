/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a disk: our mark, and the datastore's label. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/ceph_label.h"
#include "store/mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char head[MARK_SIZE] = {0}, again[MARK_SIZE];
    struct ceph_label label;
    struct mark mark;
    struct err err;

    memcpy(head, data, size < MARK_SIZE ? size : MARK_SIZE);
    if (mark_read(head, MARK_SIZE, &mark) &&
        (!mark_write(&mark, again, &err) || memcmp(head, again, strlen((char *)again)) != 0)) {
        abort(); /* what is read as a mark is what would be written */
    }
    if (ceph_label_read(head, MARK_SIZE, &label) && label.cluster[0] &&
        !uuid_valid(label.cluster)) {
        abort();
    }
    return 0;
}
