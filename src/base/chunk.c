/* SPDX-License-Identifier: Apache-2.0 */
#include "base/chunk.h"

#include <endian.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"

/* The first bytes are zero, and each byte equals the one 16 before it. */
bool chunk_is_zero(const void *bytes, size_t length)
{
    static const unsigned char zeros[16];
    const unsigned char *at = bytes;

    if (length <= sizeof(zeros)) {
        return memcmp(at, zeros, length) == 0;
    }
    return memcmp(at, zeros, sizeof(zeros)) == 0 &&
           memcmp(at, at + sizeof(zeros), length - sizeof(zeros)) == 0;
}

struct tagger {
    EVP_MAC_CTX *mac;
    unsigned char key[CHUNK_KEY_SIZE];
};

bool tagger_new(const unsigned char key[CHUNK_KEY_SIZE], struct tagger **out, struct err *err)
{
    AUTO(drop_tagger) struct tagger *tagger = text_room(1, sizeof(*tagger));
    EVP_MAC *poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);

    tagger->mac = poly1305 ? EVP_MAC_CTX_new(poly1305) : NULL;
    EVP_MAC_free(poly1305);
    if (!tagger->mac) {
        return err_set(err, ERR_SYSTEM, "OpenSSL has no Poly1305");
    }
    memcpy(tagger->key, key, CHUNK_KEY_SIZE);
    *out = TAKE(tagger);
    return true;
}

bool tagger_tag(struct tagger *tagger, const void *bytes, size_t length,
                unsigned char out[CHUNK_TAG_SIZE], struct err *err)
{
    size_t made = 0;

    if (EVP_MAC_init(tagger->mac, tagger->key, sizeof(tagger->key), NULL) != 1 ||
        EVP_MAC_update(tagger->mac, bytes, length) != 1 ||
        EVP_MAC_final(tagger->mac, out, &made, CHUNK_TAG_SIZE) != 1 || made != CHUNK_TAG_SIZE) {
        return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a Poly1305 tag");
    }
    return true;
}

void tagger_free(struct tagger *tagger)
{
    if (tagger) {
        EVP_MAC_CTX_free(tagger->mac);
        free(tagger);
    }
}

struct content {
    EVP_MD_CTX *sha256;
    uint64_t next; /* the least index that may come now */
};

static bool hash_refused(struct err *err)
{
    return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
}

static bool hash_number(struct content *content, uint64_t number, struct err *err)
{
    uint64_t wire = htobe64(number);

    return EVP_DigestUpdate(content->sha256, &wire, sizeof(wire)) == 1 || hash_refused(err);
}

bool content_new(uint64_t size, struct content **out, struct err *err)
{
    static const char name[] = "quoin content 1"; /* with its NUL */
    AUTO(drop_content) struct content *content = text_room(1, sizeof(*content));

    content->sha256 = EVP_MD_CTX_new();
    if (!content->sha256 || EVP_DigestInit_ex(content->sha256, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(content->sha256, name, sizeof(name)) != 1) {
        return hash_refused(err);
    }
    if (!hash_number(content, size, err)) {
        return false;
    }
    *out = TAKE(content);
    return true;
}

bool content_add(struct content *content, uint64_t index, const unsigned char tag[CHUNK_TAG_SIZE],
                 struct err *err)
{
    if (index < content->next) {
        return err_set(err, ERR_BUG, "chunk %llu comes late", (unsigned long long)index);
    }
    content->next = index + 1;
    if (!hash_number(content, index, err)) {
        return false;
    }
    return EVP_DigestUpdate(content->sha256, tag, CHUNK_TAG_SIZE) == 1 || hash_refused(err);
}

bool content_end(struct content *content, unsigned char out[CONTENT_DIGEST], struct err *err)
{
    return EVP_DigestFinal_ex(content->sha256, out, NULL) == 1 || hash_refused(err);
}

void content_free(struct content *content)
{
    if (content) {
        EVP_MD_CTX_free(content->sha256);
        free(content);
    }
}
