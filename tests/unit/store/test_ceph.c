/* SPDX-License-Identifier: Apache-2.0 */
/* The room against a real Ceph on loopback: mon, mgr and OSDs of the distribution's packages. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cluster.h"
#include "file_system.h"
#include "other.h"
#include "store/ceph.h"
#include "store/ceph_image.h"

static struct cluster cluster;
static const struct store_backend *ceph;
static struct store *store;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Where the time goes; QUOIN_TEST_TIMES shows it. */
static void tell(void *context, unsigned percent, const char *what)
{
    static char last[128];

    (void)context;
    if (getenv("QUOIN_TEST_TIMES") && strcmp(last, what) != 0) {
        print_message("  %.2f %3u %s\n", now(), percent, what);
        (void)snprintf(last, sizeof(last), "%s", what);
    }
}
static const struct progress progress = {.tell = tell};

/* Killed at later and later moments, each time taken up again by the next. */
static void an_interrupted_start_is_taken_up_again(void **state)
{
    static const unsigned milliseconds[] = {5, 40, 80, 150, 300, 500, 900, 1500, 2500};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(milliseconds); i++) {
        pid_t child = fork();

        if (child == 0) {
            struct err err = {0};

            _exit(cluster_make(&cluster, NULL, &err) ? 0 : 1);
        }
        usleep(milliseconds[i] * 1000);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
}

static void a_pool_takes_writes_in_the_end(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(cluster_make(&cluster, &progress, &err));
    MUST(ceph->open(&cluster.conf, &store, &err));
}

static void from_nothing_to_a_pool_in_seconds(void **state)
{
    struct cluster another;
    struct err err = {0};

    (void)state;
    cluster_prepare(&another, "/tmp", 1);
    /* Beside the one that is there: an address of its own. */
    (void)snprintf(another.address, sizeof(another.address), "127.100.%d.1", (int)getpid() % 250);
    double begin = now();
    bool made = cluster_make(&another, &progress, &err);

    print_message("from nothing to a pool that takes writes, one disk: %.2f s\n", now() - begin);
    cluster_drop(&another);
    MUST(made);
    assert_true(now() - begin < 60);
}

static void a_second_run_changes_nothing_and_is_quick(void **state)
{
    AUTO(drop_free) char *path = text_make("%s/etc/ceph/ceph.conf", cluster.root);
    struct stat before, after;
    struct err err = {0};
    double begin = now();

    (void)state;
    assert_int_equal(stat(path, &before), 0);
    MUST(cluster_make(&cluster, &progress, &err));
    print_message("second run: %.2f s\n", now() - begin);
    assert_true(now() - begin < 10);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void keys_are_closed_to_others(void **state)
{
    static const char *const paths[] = {
        "etc/ceph/ceph.client.admin.keyring",    "etc/ceph/ceph.client.quoin.keyring",
        "etc/ceph/ceph.client.quoin-vm.keyring", "var/lib/ceph/mon/ceph-h1/keyring",
        "var/lib/ceph/mgr/ceph-h1/keyring",      "var/lib/ceph/osd/ceph-0/keyring"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", cluster.root, paths[i]);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_uid == 0, i < 3);
    }
}

static void health_is_told(void **state)
{
    struct store_health health = {0};
    struct err err = {0};
    double begin = now();

    (void)state;
    MUST(ceph->look(&cluster.conf, &health, &err));
    print_message("look: %.3f s\n", now() - begin);
    assert_string_equal(health.reasons, "");
    assert_int_equal(health.state, STORE_OK);
    assert_int_equal(health.disks, cluster.disk_count);
    assert_int_equal(health.disks_up, cluster.disk_count);
    assert_int_equal(health.monitors_in_quorum, 1);
    assert_true(health.clean);
    assert_true(health.bytes_total > (5ull << 30) * cluster.disk_count);
    assert_int_equal(json_array_size(health.members), cluster.disk_count);
    for (size_t i = 0; i < cluster.disk_count; i++) {
        const char *disk = json_string_or(json_array_get(health.members, i), "disk", "");

        assert_true(!strcmp(disk, cluster.loops[0]) || !strcmp(disk, cluster.loops[1]));
    }
    store_health_clear(&health);
}

/* Images */

static void an_image_is_made_once(void **state)
{
    AUTO(drop_json) json_t *names = NULL;
    struct err err = {0};
    uint64_t size = 0;

    (void)state;
    assert_false(ceph->images->look(store, "a", &size, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    MUST(ceph->images->create(store, "b", STORE_HEADER + (64 << 20), &err));
    MUST(ceph->images->create(store, "a", STORE_HEADER + (64 << 20), &err));
    MUST(ceph->images->create(store, "a", STORE_HEADER + (64 << 20), &err));
    MUST(ceph->images->look(store, "a", &size, &err));
    assert_int_equal(size, STORE_HEADER + (64 << 20));
    assert_false(ceph->images->create(store, "a", STORE_HEADER + (65 << 20), &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(ceph->images->create(store, "x/y", 4096, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    MUST(ceph->images->list(store, &names, &err));
    assert_int_equal(json_array_size(names), 2);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "a");
    MUST(ceph->images->remove(store, "b", NULL, &err));
    MUST(ceph->images->remove(store, "b", NULL, &err));
}

struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned under_way, failed;
};

static void one_is_done(void *context, const struct err *err)
{
    struct wait *wait = context;

    pthread_mutex_lock(&wait->mutex);
    wait->under_way--;
    wait->failed += err != NULL;
    pthread_cond_signal(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

/* All of an image, 4 MiB at a time, sixteen under way. */
static void write_all(struct image *image, uint64_t size, const char *bytes)
{
    struct wait wait = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    struct err err = {0};

    for (uint64_t at = 0; at < size; at += STORE_OBJECT) {
        pthread_mutex_lock(&wait.mutex);
        while (wait.under_way >= 16) {
            pthread_cond_wait(&wait.changed, &wait.mutex);
        }
        wait.under_way++;
        pthread_mutex_unlock(&wait.mutex);
        MUST(ceph->io->write_at(image, at, bytes, STORE_OBJECT, one_is_done, &wait, &err));
    }
    pthread_mutex_lock(&wait.mutex);
    while (wait.under_way > 0) {
        pthread_cond_wait(&wait.changed, &wait.mutex);
    }
    pthread_mutex_unlock(&wait.mutex);
    assert_int_equal(wait.failed, 0);
    MUST(ceph->io->flush(image, &err));
}

static bool add_up(void *context, uint64_t offset, uint64_t length, struct err *err)
{
    (void)offset;
    (void)err;
    *(uint64_t *)context += length;
    return true;
}

static bool end_at_once(void *context, uint64_t offset, uint64_t length, struct err *err)
{
    (void)context;
    return err_set(err, ERR_DENIED, "enough at %llu+%llu", (unsigned long long)offset,
                   (unsigned long long)length);
}

static void what_is_written_is_read_and_what_is_not_is_not_allocated(void **state)
{
    AUTO(drop_free) char *bytes = text_room(1, STORE_OBJECT), *back = text_room(1, STORE_OBJECT);
    struct image *image = NULL;
    struct err err = {0};
    uint64_t allocated = 0, size = 0;

    (void)state;
    memset(bytes, 0x5a, STORE_OBJECT);
    MUST(ceph->images->open(store, "a", NULL, true, &image, &err));
    MUST(ceph->io->size(image, &size, &err));
    assert_int_equal(size, STORE_HEADER + (64 << 20));
    write_all(image, 32 << 20, bytes);
    const struct medium medium = {ceph->io, image};

    MUST(medium_read(&medium, 28 << 20, back, STORE_OBJECT, &err));
    assert_memory_equal(bytes, back, STORE_OBJECT);
    MUST(medium_read(&medium, 32 << 20, back, STORE_OBJECT, &err));
    assert_int_equal(back[0], 0);
    assert_memory_equal(back, back + 1, STORE_OBJECT - 1);
    MUST(ceph->io->extents(image, add_up, &allocated, &err));
    assert_int_equal(allocated, 32 << 20);
    assert_false(ceph->io->extents(image, end_at_once, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(medium_read(&medium, size - 4096, back, 8192, &err));
    ceph->images->close(image);
}

static void an_image_opened_for_reading_takes_no_writes(void **state)
{
    struct image *image = NULL;
    char block[4096] = "";
    struct err err = {0};

    (void)state;
    MUST(ceph->images->open(store, "a", NULL, false, &image, &err));
    assert_false(medium_write(&(struct medium){ceph->io, image}, 0, block, sizeof(block), &err));
    ceph->images->close(image);
}

static void an_attachment_names_the_image_and_carries_the_key(void **state)
{
    struct store_attachment attachment = {0};
    struct err err = {0};

    (void)state;
    MUST(ceph->images->attachment(store, "a", &attachment, &err));
    assert_string_equal(attachment.protocol, "rbd");
    assert_string_equal(attachment.source, "ds1/a");
    assert_string_equal(attachment.user, "quoin-vm");
    assert_int_equal(secret_size(attachment.key), 40);
    assert_true(access(attachment.conf, R_OK) == 0);
    store_attachment_clear(&attachment);
}

static void an_image_locked_by_the_living_is_a_clash_that_names_him(void **state)
{
    struct other other = other_start(&cluster);
    struct image *image = NULL;
    struct err err = {0};

    (void)state;
    MUST(ceph->images->open(store, "a", NULL, true, &image, &err));
    double begin = now();
    bool locked = ceph->io->lock(image, &err);

    print_message("refused after %.2f s: %s\n", now() - begin, err.what);
    ceph->images->close(image);
    other_end(&other);
    assert_false(locked);
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "locked by 127."));
}

static void a_dead_holder_of_this_host_is_fenced_at_once(void **state)
{
    struct other other = other_start(&cluster);
    struct store *next = NULL;
    struct image *image = NULL;
    struct err err = {0};
    char *owners[4];
    size_t count = COUNT_OF(owners);
    rbd_lock_mode_t mode;
    double begin = 0;

    (void)state;
    other_end(&other);
    begin = now();
    MUST(ceph->open(&cluster.conf, &next, &err));
    MUST(ceph->images->open(next, "a", NULL, true, &image, &err));
    /* Nobody has to break it, which the hypervisor's user could not. */
    assert_int_equal(rbd_lock_get_owners(image->rbd, &mode, owners, &count), -ENOENT);
    MUST(ceph->io->lock(image, &err));
    print_message("locked %.2f s after the holder died\n", now() - begin);
    assert_true(now() - begin < 20); /* the cluster itself gives the silent 45 s */
    MUST(ceph->io->unlock(image, &err));
    MUST(ceph->io->unlock(image, &err));
    ceph->images->close(image);
    ceph->close(next);
}

static void a_fenced_holder_cannot_write_any_more(void **state)
{
    struct other other = other_start(&cluster);
    struct image *image = NULL;
    char word[16] = "", block[4096], before[4096];
    struct err err = {0};
    double begin = now();

    (void)state;
    MUST(ceph->fence(store, "a", &err));
    MUST(ceph->images->open(store, "a", NULL, true, &image, &err));
    MUST(ceph->io->lock(image, &err));
    print_message("fenced and locked after %.2f s\n", now() - begin);
    const struct medium medium = {ceph->io, image};

    MUST(medium_read(&medium, 0, before, sizeof(before), &err));
    assert_int_equal(write(other.to, "w", 1), 1);
    (void)!read(other.from, word, sizeof(word) - 1);
    MUST(medium_read(&medium, 0, block, sizeof(block), &err));
    ceph->images->close(image);
    other_end(&other);
    assert_string_not_equal(word, "wrote");
    assert_memory_equal(before, block, sizeof(block));
    MUST(ceph->fence(store, "a", &err)); /* nobody: succeeds */
}

/* T15: of two that make a header anew one is stopped in the middle; the other breaks its lock,
 * writes, and has it go on. */
static void who_stood_still_while_another_wrote_the_header_writes_nothing(void **state)
{
    struct other other = other_start(&cluster);
    struct image *image = NULL;
    char word[16] = "", ours[4096], block[4096];
    struct err err = {0};

    (void)state;
    memset(ours, 0x5a, sizeof(ours));
    assert_int_equal(kill(other.pid, SIGSTOP), 0);
    MUST(ceph->fence(store, "a", &err));
    MUST(ceph->images->open(store, "a", NULL, true, &image, &err));
    MUST(ceph->io->lock(image, &err));
    const struct medium medium = {ceph->io, image};

    MUST(medium_write(&medium, 0, ours, sizeof(ours), &err));
    assert_int_equal(kill(other.pid, SIGCONT), 0);
    assert_int_equal(write(other.to, "w", 1), 1);
    (void)!read(other.from, word, sizeof(word) - 1);
    MUST(medium_read(&medium, 0, block, sizeof(block), &err));
    ceph->images->close(image);
    other_end(&other);
    assert_string_not_equal(word, "wrote");
    assert_memory_equal(ours, block, sizeof(block));
}

/* Holes under encryption */

static void holes_read_as_zeros_with_our_settings(void **state)
{
    AUTO(drop_json) json_t *names = NULL;
    struct err err = {0};
    bool hold = false;
    double begin = now();

    (void)state;
    MUST(ceph->holes(store, &hold, &err));
    print_message("holes: %.3f s\n", now() - begin);
    assert_true(hold);
    MUST(ceph->images->list(store, &names, &err));
    assert_int_equal(json_array_size(names), 1); /* it left nothing */
}

static void a_file_system_poured_without_its_zeros_is_sound(void **state)
{
    (void)state;
    assert_true(file_system_survives(store, cluster.root));
}

/* The trap itself: were this test to fail, the setting would not be needed any more. */
static void without_the_setting_the_step_says_so_and_a_file_system_is_damaged(void **state)
{
    AUTO(drop_free) char *path = text_make("%s/etc/ceph/ceph.conf", cluster.root);
    AUTO(drop_free) char *text = NULL, *kept = NULL;
    struct store *without = NULL;
    struct err err = {0};
    bool hold = true;

    (void)state;
    MUST(file_read(path, 65536, &text, NULL, &err));
    kept = text_copy(text);
    char *line = strstr(text, "rbd_sparse_read_threshold_bytes");

    assert_non_null(line);
    line[0] = '#';
    MUST(file_write(path, text, strlen(text), 0644, &err));
    MUST(ceph->open(&cluster.conf, &without, &err));
    bool asked = ceph->holes(without, &hold, &err);
    bool survives = file_system_survives(without, cluster.root);

    ceph->close(without);
    MUST(asked);
    MUST(file_write(path, kept, strlen(kept), 0644, &err));
    assert_false(hold);
    assert_false(survives);
}

static void a_wrong_passphrase_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *right = passphrase_make(), *wrong = passphrase_make();
    struct image *image = NULL, *none = NULL;
    struct err err = {0};

    (void)state;
    MUST(ceph_scratch_disk(store, "locked", 8 << 20, right, &image, &err));
    ceph->images->close(image);
    assert_false(ceph->images->open(store, "locked", wrong, false, &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    MUST(ceph->images->open(store, "locked", right, false, &image, &err));
    ceph->images->close(image);
    MUST(ceph->images->remove(store, "locked", NULL, &err));
}

/* Small objects */

static void an_object_is_written_only_over_the_version_that_was_read(void **state)
{
    const struct store_objects *objects = ceph->objects;
    AUTO(drop_free) char *bytes = NULL;
    uint64_t first = 0, second = 0, read = 0;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_false(objects->read(store, "home/a", &bytes, &length, &read, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    MUST(objects->write(store, "home/a", "one", 3, 0, &first, &err));
    assert_false(objects->write(store, "home/a", "two", 3, 0, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    MUST(objects->write(store, "home/a", "second", 6, first, &second, &err));
    assert_true(second > first);
    assert_false(objects->write(store, "home/a", "late", 4, first, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    MUST(objects->read(store, "home/a", &bytes, &length, &read, &err));
    assert_int_equal(length, 6);
    assert_string_equal(bytes, "second");
    assert_int_equal(read, second);
    MUST(objects->write(store, "home/a", "x", 1, STORE_ANY, &read, &err));
    assert_int_equal(read, second + 1);
    assert_false(objects->write(store, "home/none", "x", 1, 7, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void objects_are_listed_by_their_beginning_and_removed(void **state)
{
    AUTO(drop_json) json_t *names = NULL, *rest = NULL;
    struct err err = {0};

    (void)state;
    MUST(ceph->objects->write(store, "home/b", "b", 1, STORE_ANY, NULL, &err));
    MUST(ceph->objects->write(store, "lease/a", "l", 1, STORE_ANY, NULL, &err));
    MUST(ceph->objects->list(store, "home/", &names, &err));
    assert_int_equal(json_array_size(names), 2);
    assert_string_equal(json_string_value(json_array_get(names, 1)), "home/b");
    MUST(ceph->objects->remove(store, "home/b", &err));
    MUST(ceph->objects->remove(store, "home/b", &err));
    MUST(ceph->objects->list(store, "", &rest, &err));
    assert_int_equal(json_array_size(rest), 2);
}

static void a_large_object_comes_back_whole(void **state)
{
    AUTO(drop_free) char *large = text_room(1, STORE_MAX_OBJECT + 1), *back = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    memset(large, 'q', STORE_MAX_OBJECT);
    MUST(ceph->objects->write(store, "large", large, STORE_MAX_OBJECT, STORE_ANY, NULL, &err));
    MUST(ceph->objects->read(store, "large", &back, &length, NULL, &err));
    assert_int_equal(length, STORE_MAX_OBJECT);
    assert_memory_equal(large, back, length);
    assert_false(
        ceph->objects->write(store, "large", large, STORE_MAX_OBJECT + 1, STORE_ANY, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* Power, and the end */

static void a_dead_datastore_holds_nobody(void **state)
{
    struct store_conf hurried = cluster.conf;
    struct store_health health = {0};
    struct store *none = NULL;
    struct err err = {0};

    (void)state;
    ceph->close(store);
    store = NULL;
    direct_kill_all(cluster.root);
    double begin = now();

    MUST(ceph->look(&cluster.conf, &health, &err));
    print_message("look at a dead datastore: %.2f s: %s\n", now() - begin, health.reasons);
    assert_int_equal(health.state, STORE_AWAY);
    assert_true(now() - begin < 10);
    store_health_clear(&health);
    hurried.seconds = 2;
    begin = now();
    assert_false(ceph->open(&hurried, &none, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_true(err.remedy[0]);
    assert_true(now() - begin < 10);
}

static void after_a_power_cut_everything_is_there_again(void **state)
{
    struct image *image = NULL;
    char block[4096];
    struct err err = {0};
    double begin = now();

    (void)state;
    MUST(direct_boot(cluster.root, &err));
    MUST(ceph->open(&cluster.conf, &store, &err));
    MUST(ceph->images->open(store, "a", NULL, false, &image, &err));
    MUST(medium_read(&(struct medium){ceph->io, image}, 28 << 20, block, sizeof(block), &err));
    print_message("the first byte after a power cut: %.2f s\n", now() - begin);
    ceph->images->close(image);
    assert_int_equal(block[17], 0x5a);
}

/* A host whose folders are lost, its disks not: nothing of the disks may be made anew. */
static void a_disk_keeps_its_data_when_its_folder_is_lost(void **state)
{
    AUTO(drop_free) char *folder = text_make("%s/var/lib/ceph/osd/ceph-0", cluster.root);
    struct image *image = NULL;
    AUTO(drop_free) char *bytes = text_room(1, 32 << 20);
    struct err err = {0};

    (void)state;
    ceph->close(store);
    store = NULL;
    MUST(direct_daemons.stop(cluster.root, "osd", "0", &err));
    MUST(file_remove_tree(folder, &err));
    MUST(cluster_make(&cluster, &progress, &err));
    MUST(ceph->open(&cluster.conf, &store, &err));
    MUST(ceph->images->open(store, "a", NULL, false, &image, &err));
    MUST(medium_read(&(struct medium){ceph->io, image}, 4 << 20, bytes, 28 << 20, &err));
    ceph->images->close(image);
    for (size_t i = 0; i < 28 << 20; i++) {
        assert_int_equal(bytes[i], 0x5a);
    }
}

static void undone_nothing_is_left_and_disks_are_empty(void **state)
{
    AUTO(drop_json) json_t *cleared = NULL, *again = NULL;
    AUTO(drop_free) char *conf = text_make("%s/etc/ceph/ceph.conf", cluster.root);
    struct err err = {0};

    (void)state;
    ceph->close(store);
    store = NULL;
    MUST(ceph->build->undo(&cluster.conf, NULL, &cleared, &err));
    assert_int_equal(json_array_size(cleared), cluster.disk_count);
    for (size_t i = 0; i < cluster.disk_count; i++) {
        struct disk disk;

        MUST(disk_find(&cluster.orders[i].name, &disk, &err));
        assert_int_equal(disk.content, DISK_EMPTY);
    }
    assert_false(file_exists(conf));
    MUST(ceph->build->undo(&cluster.conf, NULL, &again, &err));
    assert_int_equal(json_array_size(again), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupted_start_is_taken_up_again),
        cmocka_unit_test(a_pool_takes_writes_in_the_end),
        cmocka_unit_test(from_nothing_to_a_pool_in_seconds),
        cmocka_unit_test(a_second_run_changes_nothing_and_is_quick),
        cmocka_unit_test(keys_are_closed_to_others),
        cmocka_unit_test(health_is_told),
        cmocka_unit_test(an_image_is_made_once),
        cmocka_unit_test(what_is_written_is_read_and_what_is_not_is_not_allocated),
        cmocka_unit_test(an_image_opened_for_reading_takes_no_writes),
        cmocka_unit_test(an_attachment_names_the_image_and_carries_the_key),
        cmocka_unit_test(an_image_locked_by_the_living_is_a_clash_that_names_him),
        cmocka_unit_test(a_dead_holder_of_this_host_is_fenced_at_once),
        cmocka_unit_test(a_fenced_holder_cannot_write_any_more),
        cmocka_unit_test(who_stood_still_while_another_wrote_the_header_writes_nothing),
        cmocka_unit_test(holes_read_as_zeros_with_our_settings),
        cmocka_unit_test(a_file_system_poured_without_its_zeros_is_sound),
        cmocka_unit_test(without_the_setting_the_step_says_so_and_a_file_system_is_damaged),
        cmocka_unit_test(a_wrong_passphrase_is_denied),
        cmocka_unit_test(an_object_is_written_only_over_the_version_that_was_read),
        cmocka_unit_test(objects_are_listed_by_their_beginning_and_removed),
        cmocka_unit_test(a_large_object_comes_back_whole),
        cmocka_unit_test(a_dead_datastore_holds_nobody),
        cmocka_unit_test(after_a_power_cut_everything_is_there_again),
        cmocka_unit_test(a_disk_keeps_its_data_when_its_folder_is_lost),
        cmocka_unit_test(undone_nothing_is_left_and_disks_are_empty),
    };

    if (argc == 5 && strcmp(argv[1], "hold") == 0) {
        return other_be(argv);
    }
    if (geteuid() != 0 || access("/usr/bin/ceph-osd", X_OK) != 0) {
        return 77; /* meson: skipped */
    }
    ceph = stores[0];
    cluster_prepare(&cluster, "/tmp", 2);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ceph->close(store);
    cluster_drop(&cluster);
    return failed;
}
