/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "key/ecdh.h"
#include "key/jwe.h"
#include "key/parcel.h"
#include "wire/certificate.h"

#define CLUSTER "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER   "11234567-89ab-4cde-8f01-23456789abcd"

static struct {
    struct secret *ca_key, *other_ca_key, *key, *other_key;
    char *ca, *other_ca;
    char *certificate; /* of h2 */
} world;

/* The certificate of `name`, who has `key`, in a role. */
static char *certificate_as(const char *ca, const struct secret *ca_key, const struct secret *key,
                            const char *cluster, enum role role, const char *name, bool client)
{
    AUTO(drop_free) char *uri = role_uri(cluster, role, name);
    const char *names[] = {name, NULL};
    const struct certificate_wish wish = {.common_name = name,
                                          .names = names,
                                          .uri = uri,
                                          .server = !client,
                                          .client = client,
                                          .days = 2};
    char *pem = NULL;
    struct err err = {0};

    assert_true(certificate_make(&(struct authority){ca, ca_key}, key, &wish, &pem, &err));
    return pem;
}

static int make_world(void **state)
{
    struct err err = {0};

    (void)state;
    assert_true(certificate_authority_make("ours", 9, &world.ca_key, &world.ca, &err));
    assert_true(
        certificate_authority_make("theirs", 9, &world.other_ca_key, &world.other_ca, &err));
    assert_true(certificate_key_make(&world.key, &err));
    assert_true(certificate_key_make(&world.other_key, &err));
    world.certificate =
        certificate_as(world.ca, world.ca_key, world.key, CLUSTER, ROLE_HOST, "h2", true);
    return folder_make(state);
}

static int end_world(void **state)
{
    secret_free(world.ca_key);
    secret_free(world.other_ca_key);
    secret_free(world.key);
    secret_free(world.other_key);
    free(world.ca);
    free(world.other_ca);
    free(world.certificate);
    return folder_drop(state);
}

static struct secret *secret_of_bytes(const void *bytes, size_t size)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(size, &secret, &err));
    memcpy(secret_bytes(secret), bytes, size);
    return secret;
}

static struct parcel *two_parts(void)
{
    struct parcel *parcel = parcel_new();
    struct err err = {0};

    assert_true(parcel_add(parcel, "native", secret_of_bytes("seeds\n7 x", 9), &err));
    assert_true(parcel_add(parcel, "store", secret_of_bytes("\0key", 4), &err));
    return parcel;
}

static const struct parcel_about from_h1 = {CLUSTER, "h1", NULL};
static const struct parcel_about at_h2 = {CLUSTER, "h1", "h2"};

static json_t *sealed(void)
{
    AUTO(drop_parcel) struct parcel *parcel = two_parts();
    json_t *json = NULL;
    struct err err = {0};

    assert_true(parcel_seal(parcel, &from_h1, world.certificate, world.ca, &json, &err));
    return json;
}

static void is_refused(const json_t *json, const struct parcel_about *about,
                       const struct secret *key, enum err_kind kind)
{
    struct parcel *parcel = NULL;
    struct err err = {0};

    assert_false(parcel_open(json, about, key, &parcel, &err));
    assert_int_equal(err.kind, kind);
    assert_null(parcel);
}

static void what_was_packed_is_unpacked_on_the_host_it_is_for(void **state)
{
    AUTO(drop_json) json_t *json = sealed();
    AUTO(drop_parcel) struct parcel *parcel = NULL;
    struct err err = {0};

    (void)state;
    assert_true(parcel_open(json, &at_h2, world.key, &parcel, &err));
    assert_int_equal(parcel->count, 2);
    assert_memory_equal(secret_look(parcel_part(parcel, "native")), "seeds\n7 x", 9);
    assert_int_equal(secret_size(parcel_part(parcel, "store")), 4);
    assert_null(parcel_part(parcel, "third"));
}

static void another_hosts_key_opens_no_parcel(void **state)
{
    AUTO(drop_json) json_t *json = sealed();

    (void)state;
    is_refused(json, &at_h2, world.other_key, ERR_DENIED);
}

static void a_parcel_for_another_host_or_cluster_or_from_another_is_a_clash(void **state)
{
    AUTO(drop_json) json_t *json = sealed();

    (void)state;
    is_refused(json, &(struct parcel_about){CLUSTER, "h1", "h3"}, world.key, ERR_CLASH);
    is_refused(json, &(struct parcel_about){OTHER, "h1", "h2"}, world.key, ERR_CLASH);
    is_refused(json, &(struct parcel_about){CLUSTER, "h4", "h2"}, world.key, ERR_CLASH);
}

/* Another digit of base64url in the middle of a member. */
static void change(json_t *json, const char *member)
{
    AUTO(drop_free) char *text = text_copy(json_string_value(json_object_get(json, member)));
    size_t at = strlen(text) / 2;

    text[at] = text[at] == 'A' ? 'B' : 'A';
    json_object_set_new(json, member, json_string(text));
}

static void a_parcel_changed_on_its_way_is_refused(void **state)
{
    static const char *const members[] = {"protected", "encrypted_key", "iv", "ciphertext", "tag"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        AUTO(drop_json) json_t *json = sealed();
        struct parcel *parcel = NULL;
        struct err err = {0};

        change(json, members[i]);
        assert_false(parcel_open(json, &at_h2, world.key, &parcel, &err));
        assert_true(err.kind == ERR_DENIED || err.kind == ERR_INPUT || err.kind == ERR_CLASH);
        assert_null(parcel);
    }
}

/* The header is the carrier's to rewrite, so that an old parcel says it is for today's cluster. */
static void a_parcel_whose_header_was_rewritten_is_denied(void **state)
{
    AUTO(drop_json) json_t *json = sealed();
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t size = 0;
    struct err err = {0};

    (void)state;
    assert_true(decode_base64url(json_string_value(json_object_get(json, "protected")), &bytes,
                                 &size, &err));
    assert_true(json_read((const char *)bytes, size, &header, &err));
    json_object_set_new(json_object_get(header, "quoin"), "cluster", json_string(OTHER));
    AUTO(drop_free) char *text = json_write_canonical(header);
    AUTO(drop_free) char *encoded = encode_base64url(text, strlen(text));

    json_object_set_new(json, "protected", json_string(encoded));
    is_refused(json, &(struct parcel_about){OTHER, "h1", "h2"}, world.key, ERR_DENIED);
}

static void is_sent_to_nobody(char *certificate, const char *word)
{
    AUTO(drop_free) char *owned = certificate;
    AUTO(drop_parcel) struct parcel *parcel = two_parts();
    json_t *json = NULL;
    struct err err = {0};

    assert_false(parcel_seal(parcel, &from_h1, owned, world.ca, &json, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, word));
    assert_null(json);
}

static void nothing_is_sent_to_who_is_no_host_of_this_cluster(void **state)
{
    (void)state;
    is_sent_to_nobody(certificate_as(world.other_ca, world.other_ca_key, world.key, CLUSTER,
                                     ROLE_HOST, "h2", true),
                      "refused");
    is_sent_to_nobody(
        certificate_as(world.ca, world.ca_key, world.key, OTHER, ROLE_HOST, "h2", true), OTHER);
    is_sent_to_nobody(
        certificate_as(world.ca, world.ca_key, world.key, CLUSTER, ROLE_MANAGER, "mgr", true),
        "no host");
    is_sent_to_nobody(
        certificate_as(world.ca, world.ca_key, world.key, CLUSTER, ROLE_HOST, "h2", false),
        "no host");
    is_sent_to_nobody(text_copy(world.ca), "no host");
}

/* RFC 7518, appendix C. */
static void the_rfcs_example_gives_the_rfcs_key(void **state)
{
    static const unsigned char z[] = {158, 86,  217, 29,  129, 113, 53,  211, 114, 131, 66,
                                      131, 191, 132, 38,  156, 251, 49,  110, 163, 218, 128,
                                      106, 72,  246, 218, 167, 121, 140, 254, 144, 196};
    AUTO(drop_secret) struct secret *shared = secret_of_bytes(z, sizeof(z)), *key = NULL;
    struct err err = {0};

    (void)state;
    assert_true(
        ecdh_derive(shared, "A128GCM", span_text("Alice"), span_text("Bob"), 16, &key, &err));
    AUTO(drop_free) char *text = encode_base64url(secret_look(key), 16);

    assert_string_equal(text, "VqqN6vgjbSBcIijNcacQGg");
}

static void a_point_off_the_curve_is_refused(void **state)
{
    AUTO(drop_free) char *ones = NULL;
    unsigned char bytes[32];
    struct secret *kek = NULL;
    struct err err = {0};

    (void)state;
    memset(bytes, 1, sizeof(bytes));
    ones = encode_base64url(bytes, sizeof(bytes));
    AUTO(drop_json)
    json_t *epk =
        json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", ones, "y", ones);

    assert_false(ecdh_find(world.key, epk, &(struct ecdh_parties){"h1", "h2"}, &kek, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* One number of a private key as a JWK wants it. */
static void put(json_t *jwk, const EVP_PKEY *key, const char *name, const char *member)
{
    BIGNUM *number = NULL;
    unsigned char bytes[32];

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    assert_int_equal(BN_bn2binpad(number, bytes, sizeof(bytes)), sizeof(bytes));
    BN_free(number);
    AUTO(drop_free) char *text = encode_base64url(bytes, sizeof(bytes));

    json_object_set_new(jwk, member, json_string(text));
}

static void jose_opens_a_parcel_with_the_hosts_key(void **state)
{
    AUTO(drop_json) json_t *json = sealed();
    AUTO(drop_json) json_t *jwk = json_pack("{s:s, s:s}", "kty", "EC", "crv", "P-256");
    BIO *bio = BIO_new_mem_buf(secret_look(world.key), (int)secret_size(world.key));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    AUTO(drop_run_result) struct run_result result = {0};
    AUTO(drop_free) char *text = json_write(json);
    const char *parcel = in_folder("parcel.json"), *file = in_folder("key.jwk");
    struct err err = {0};

    (void)state;
    put(jwk, key, OSSL_PKEY_PARAM_EC_PUB_X, "x");
    put(jwk, key, OSSL_PKEY_PARAM_EC_PUB_Y, "y");
    put(jwk, key, OSSL_PKEY_PARAM_PRIV_KEY, "d");
    EVP_PKEY_free(key);
    BIO_free(bio);
    AUTO(drop_free) char *key_text = json_write(jwk);

    assert_true(file_write(parcel, text, strlen(text), 0600, &err));
    assert_true(file_write(file, key_text, strlen(key_text), 0600, &err));
    assert_true(run_program(
        &(struct run){.argv = RUN("jose", "jwe", "dec", "-i", parcel, "-k", file)}, &result, &err));
    assert_int_equal(result.status, 0);
    assert_int_equal(result.out_length, strlen("native 9\n") + 9 + strlen("store 4\n") + 4);
    assert_memory_equal(result.out, "native 9\nseeds\n7 xstore 4\n\0key", result.out_length);
}

static void texts_of_another_shape_are_no_parcel(void **state)
{
    static const char *const texts[] = {
        "a",     "a ",     "a 1",      "a 1\n",          "a 0\n",
        " 1\nx", "A 1\nx", "a 01\nx",  "a 2\nx",         "a 1\nxa 1\ny",
        "a x\n", "a -1\n", "a 1\nxyz", "a 99999999\nxx", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1\nx"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(drop_secret) struct secret *text = secret_of_bytes(texts[i], strlen(texts[i]));
        struct parcel *parcel = NULL;
        struct err err = {0};

        assert_false(parcel_read(text, &parcel, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(parcel);
    }
}

static void a_name_that_is_taken_or_has_no_shape_is_a_fault_of_ours(void **state)
{
    static const char *const names[] = {"native", "", "A", "a b", "a\n"};
    AUTO(drop_parcel) struct parcel *parcel = two_parts();
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_false(parcel_add(parcel, names[i], secret_of_bytes("x", 1), &err));
        assert_int_equal(err.kind, ERR_BUG);
    }
    assert_int_equal(parcel->count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_is_unpacked_on_the_host_it_is_for),
        cmocka_unit_test(another_hosts_key_opens_no_parcel),
        cmocka_unit_test(a_parcel_for_another_host_or_cluster_or_from_another_is_a_clash),
        cmocka_unit_test(a_parcel_changed_on_its_way_is_refused),
        cmocka_unit_test(a_parcel_whose_header_was_rewritten_is_denied),
        cmocka_unit_test(nothing_is_sent_to_who_is_no_host_of_this_cluster),
        cmocka_unit_test(the_rfcs_example_gives_the_rfcs_key),
        cmocka_unit_test(a_point_off_the_curve_is_refused),
        cmocka_unit_test(jose_opens_a_parcel_with_the_hosts_key),
        cmocka_unit_test(texts_of_another_shape_are_no_parcel),
        cmocka_unit_test(a_name_that_is_taken_or_has_no_shape_is_a_fault_of_ours),
    };

    return cmocka_run_group_tests(tests, make_world, end_world);
}
