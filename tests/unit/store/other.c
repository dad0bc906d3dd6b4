/* SPDX-License-Identifier: Apache-2.0 */
#include "other.h"

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

struct other other_start(const struct cluster *cluster)
{
    int to[2], from[2];
    char word[16] = "";

    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    pid_t pid = fork();

    if (pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl("/proc/self/exe", "test_store_ceph", "hold", cluster->root, cluster->id,
              cluster->address, NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    assert_true(read(from[0], word, sizeof(word) - 1) > 0);
    assert_string_equal(word, "locked");
    return (struct other){pid, to[1], from[0]};
}

void other_end(struct other *other)
{
    kill(other->pid, SIGKILL);
    waitpid(other->pid, NULL, 0);
    close(other->to);
    close(other->from);
}

int other_be(char **argv)
{
    struct store_monitor monitor = {"h1", argv[4]};
    struct store_conf conf = {.cluster = argv[3],
                              .name = "ds1",
                              .network = "127.0.0.0/8",
                              .host = "h1",
                              .address = argv[4],
                              .monitors = &monitor,
                              .monitor_count = 1,
                              .replicas = 1,
                              .seconds = 20,
                              .root = argv[2]};
    char block[4096] = "late", word = 0;
    struct image *image = NULL;
    struct store *store = NULL;
    struct err err = {0};

    if (!stores[0]->open(&conf, &store, &err) ||
        !stores[0]->images->open(store, "a", NULL, true, &image, &err) ||
        !stores[0]->io->lock(image, &err)) {
        (void)fprintf(stderr, "the other: %s\n", err.what);
        return 1;
    }
    (void)!write(1, "locked", 6);
    (void)!read(0, &word, 1);
    const struct medium medium = {stores[0]->io, image};
    bool wrote =
        medium_write(&medium, 0, block, sizeof(block), &err) && stores[0]->io->flush(image, &err);

    (void)!write(1, wrote ? "wrote" : "refused", wrote ? 5 : 7);
    _exit(0);
}
