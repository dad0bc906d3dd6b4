/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/image.h: raw and qcow2, held against their digest, and nothing left behind. */
#include "scratch.h"

#include <dirent.h>
#include <openssl/evp.h>

#include "deploy/image.h"

#define IMAGE_SIZE (3u << 20)
#define WRONG      "0000000000000000000000000000000000000000000000000000000000000000"

static char *digest_of(const char *path)
{
    AUTO(drop_free) char *bytes = NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    size_t size = 0;
    struct err err = {0};

    assert_true(file_read(path, 16u << 20, &bytes, &size, &err));
    assert_int_equal(EVP_Digest(bytes, size, digest, &length, EVP_sha256(), NULL), 1);
    return encode_hex(digest, length);
}

static char *make_raw(void)
{
    static const struct extent all = {0, IMAGE_SIZE};
    AUTO(drop_fd) int fd = scratch_image("raw", IMAGE_SIZE, &all, 1);

    assert_true(fd >= 0);
    return scratch_path("raw");
}

/* Of the raw image; `backing` NULL: it stands alone. */
static char *make_qcow2(const char *raw, const char *backing)
{
    char *path = scratch_path("qcow2");
    const struct run alone = {.argv = RUN("qemu-img", "convert", "-O", "qcow2", raw, path)};
    const struct run leans = {
        .argv = RUN("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", path)};
    struct err err = {0};

    assert_true(run_ok(backing ? &leans : &alone, NULL, &err));
    return path;
}

static void assert_content(int fd, const char *raw)
{
    AUTO(drop_free) char *want = NULL;
    AUTO(drop_free) char *have = text_room(IMAGE_SIZE, 1);
    struct err err = {0};

    assert_true(file_read(raw, IMAGE_SIZE, &want, NULL, &err));
    assert_true(file_pread(fd, have, IMAGE_SIZE, 0, &err));
    assert_memory_equal(want, have, IMAGE_SIZE);
}

static size_t files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static void a_raw_image_is_read_as_it_is(void **state)
{
    AUTO(drop_free) char *raw = make_raw();
    AUTO(drop_free) char *sha256 = digest_of(raw);
    struct manager_image image;
    struct err err = {0};

    (void)state;
    assert_true(manager_image_open(raw, sha256, true, &image, &err));
    assert_int_equal(image.bytes, IMAGE_SIZE);
    assert_string_equal(image.sha256, sha256);
    assert_content(image.fd, raw);
    manager_image_close(&image);
}

static void a_qcow2_image_is_unpacked_into_a_file_without_a_name(void **state)
{
    AUTO(drop_free) char *raw = make_raw();
    AUTO(drop_free) char *qcow2 = make_qcow2(raw, NULL);
    AUTO(drop_free) char *sha256 = digest_of(qcow2);
    size_t before = files_in(scratch_folder);
    struct manager_image image;
    struct err err = {0};

    (void)state;
    assert_int_equal(setenv("TMPDIR", scratch_folder, 1), 0);
    bool opened = manager_image_open(qcow2, sha256, false, &image, &err);

    assert_int_equal(unsetenv("TMPDIR"), 0);
    assert_true(opened);
    assert_int_equal(files_in(scratch_folder), before);
    assert_int_equal(image.bytes, IMAGE_SIZE);
    assert_null(image.sha256);
    assert_content(image.fd, raw);
    manager_image_close(&image);
}

static void another_digest_is_refused(void **state)
{
    AUTO(drop_free) char *raw = make_raw();
    AUTO(drop_free) char *qcow2 = make_qcow2(raw, NULL);
    const char *const paths[] = {raw, qcow2};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct manager_image image;
        struct err err = {0};

        assert_false(manager_image_open(paths[i], WRONG, true, &image, &err));
        assert_int_equal(err.kind, ERR_CLASH);
        assert_non_null(strstr(err.remedy, "image_sha256"));
    }
}

static void an_image_that_leans_on_another_file_is_refused(void **state)
{
    AUTO(drop_free) char *raw = make_raw();
    AUTO(drop_free) char *qcow2 = make_qcow2(raw, raw);
    AUTO(drop_free) char *sha256 = digest_of(qcow2);
    struct manager_image image;
    struct err err = {0};

    (void)state;
    assert_false(manager_image_open(qcow2, sha256, true, &image, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.remedy, "flatten"));
}

#define IT(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_raw_image_is_read_as_it_is),
        IT(a_qcow2_image_is_unpacked_into_a_file_without_a_name),
        IT(another_digest_is_refused),
        IT(an_image_that_leans_on_another_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
