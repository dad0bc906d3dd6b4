/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribble POOL IMAGE OFFSET: puts the 4096 bytes of standard input at OFFSET of a raw RBD image,
 * past every encryption, and the bytes that were there to standard output. What a saboteur, or a
 * broken datastore, would do; the test of `quoin verify` runs it on a host.
 */
#include <inttypes.h>
#include <rbd/librbd.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK 4096u

static int swap_block(rbd_image_t image, uint64_t offset)
{
    char old[BLOCK], new[BLOCK];

    if (fread(new, 1, BLOCK, stdin) != BLOCK || rbd_read(image, offset, BLOCK, old) != BLOCK ||
        rbd_write(image, offset, BLOCK, new) != BLOCK || rbd_flush(image) != 0) {
        return 1;
    }
    return fwrite(old, 1, BLOCK, stdout) == BLOCK ? 0 : 1;
}

int main(int argc, char **argv)
{
    rados_t cluster;
    rados_ioctx_t pool;
    rbd_image_t image;
    int failed = 1;

    if (argc != 4 || rados_create2(&cluster, "ceph", "client.quoin", 0) < 0) {
        return 2;
    }
    if (rados_conf_read_file(cluster, "/etc/ceph/ceph.conf") == 0 && rados_connect(cluster) == 0 &&
        rados_ioctx_create(cluster, argv[1], &pool) == 0) {
        if (rbd_open(pool, argv[2], &image, NULL) == 0) {
            failed = swap_block(image, strtoull(argv[3], NULL, 0));
            rbd_close(image);
        }
        rados_ioctx_destroy(pool);
    }
    rados_shutdown(cluster);
    return failed;
}
