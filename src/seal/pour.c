/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/pour.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/text.h"
#include "seal/crew.h"
#include "seal/xts.h"

/* Percent of the work when the payload is written; the comparison is the rest. */
#define WRITTEN_PERCENT 60u
/* Reading back waits for the disks: more of it is in flight than there are CPUs. */
#define COMPARE_THREADS POUR_BUFFERS

enum chunk_state {
    CHUNK_HOLE,  /* never written */
    CHUNK_STALE, /* holds ciphertext of an earlier pour */
    CHUNK_DATA,  /* written, its tag is known */
    CHUNK_ZEROS, /* written: encrypted zeros */
};

struct tag {
    unsigned char bytes[CHUNK_TAG_SIZE];
};

/* One pour under way. Each chunk's state and tag belong to one thread at a time. */
struct work {
    const struct pour *pour;
    const struct secret *dek;
    const struct medium *reader;
    uint64_t chunks; /* of the disk */
    unsigned char *states;
    struct tag *tags;
    atomic_uint_fast64_t next; /* chunk, for zeros and comparison */
    atomic_uint_fast64_t written, compared;
    bool header_there;
    atomic_uint told; /* percent: threads are not in step, but what is told only rises */
    uint64_t sample;  /* every so many chunks is read in small pieces too */
};

static void drop_work(struct work *work)
{
    free(work->states);
    free(work->tags);
}

static size_t length_within(uint64_t size, uint64_t index)
{
    uint64_t offset = index * CHUNK_SIZE;

    if (offset >= size) {
        return 0;
    }
    return size - offset < CHUNK_SIZE ? (size_t)(size - offset) : CHUNK_SIZE;
}

/* The tools of one thread. */
struct tools {
    struct xts *xts;
    struct tagger *tagger;
};

static void drop_tools(struct tools *tools)
{
    xts_free(tools->xts);
    tagger_free(tools->tagger);
}

static bool tools_make(const struct work *work, struct tools *out, struct err *err)
{
    return xts_new(NULL, work->dek, &out->xts, err) &&
           tagger_new(work->pour->source->key, &out->tagger, err);
}

/* ---- writing ---- */

/* Takes the buffer in any case. */
static bool write_chunk(struct work *work, struct tools *tools, struct buffer *buffer,
                        uint64_t index, struct err *err)
{
    const struct medium *raw = &work->pour->raw;
    uint64_t offset = index * CHUNK_SIZE;
    size_t length = length_within(work->pour->disk_size, index);

    if (!xts_encrypt(tools->xts, offset, buffer->bytes, length, err) ||
        !raw->io->write_at(raw->image, HEADER_SIZE + offset, buffer->bytes, length, crew_give,
                           buffer, err)) {
        crew_give(buffer, NULL);
        return err_add(err, "write the disk at offset %llu", (unsigned long long)offset);
    }
    atomic_fetch_add(&work->written, length);
    return true;
}

/* Content of `length` bytes; an all-zero chunk is left for later. Takes the buffer in any case. */
static bool pour_chunk(struct work *work, struct tools *tools, struct buffer *buffer,
                       uint64_t index, size_t length, struct err *err)
{
    bool zero = chunk_is_zero(buffer->bytes, length);

    if (length != length_within(work->pour->source->size, index) ||
        work->states[index] == CHUNK_DATA) {
        crew_give(buffer, NULL);
        return err_set(err, ERR_BUG, "chunk %llu came twice, or in part",
                       (unsigned long long)index);
    }
    if (zero) {
        crew_give(buffer, NULL);
        return true;
    }
    if (!tagger_tag(tools->tagger, buffer->bytes, length, work->tags[index].bytes, err)) {
        crew_give(buffer, NULL);
        return false;
    }
    work->states[index] = CHUNK_DATA;
    memset(buffer->bytes + length, 0, CHUNK_SIZE - length);
    return write_chunk(work, tools, buffer, index, err);
}

static void tell(struct work *work, uint64_t index, unsigned from, unsigned to, const char *what)
{
    unsigned percent = from + (unsigned)((to - from) * index / work->chunks);
    unsigned told = atomic_load(&work->told);

    while (percent > told) {
        if (atomic_compare_exchange_weak(&work->told, &told, percent)) {
            progress_tell(work->pour->progress, percent, what);
            return;
        }
    }
}

static bool pour_source(struct crew *crew, void *context, struct err *err)
{
    struct work *work = context;
    struct source *source = work->pour->source;
    AUTO(drop_tools) struct tools tools = {0};
    struct buffer *buffer;

    if (!tools_make(work, &tools, err)) {
        return false;
    }
    while ((buffer = crew_take(crew)) != NULL) {
        uint64_t index = 0;
        size_t length = 0;

        bool ok = source->next(source->self, buffer->bytes, &index, &length, err);

        if (!ok || length == 0) {
            crew_give(buffer, NULL);
            return ok;
        }
        if (!pour_chunk(work, &tools, buffer, index, length, err)) {
            return false;
        }
        tell(work, index, 0, WRITTEN_PERCENT, "pour the image");
    }
    return true;
}

/* A hole may stay one only when holes are proven to be zeros. */
static bool needs_zeros(const struct work *work, uint64_t index)
{
    return work->states[index] == CHUNK_STALE ||
           (work->states[index] == CHUNK_HOLE && !work->pour->skip_zero);
}

static bool pour_zeros(struct crew *crew, void *context, struct err *err)
{
    struct work *work = context;
    AUTO(drop_tools) struct tools tools = {0};
    uint64_t index;

    if (!tools_make(work, &tools, err)) {
        return false;
    }
    while ((index = atomic_fetch_add(&work->next, 1)) < work->chunks) {
        struct buffer *buffer;

        if (!needs_zeros(work, index)) {
            continue;
        }
        buffer = crew_take(crew);
        if (!buffer) {
            return true;
        }
        work->states[index] = CHUNK_ZEROS;
        memset(buffer->bytes, 0, CHUNK_SIZE);
        if (!write_chunk(work, &tools, buffer, index, err)) {
            return false;
        }
        tell(work, index, 0, WRITTEN_PERCENT, "write encrypted zeros");
    }
    return true;
}

/* ---- comparing ---- */

static bool came_back_wrong(uint64_t offset, struct err *err)
{
    return err_set(err, ERR_SYSTEM, "the disk reads differently at offset %llu than it was written",
                   (unsigned long long)offset);
}

/* Zeros where the content is none, and the tag that was made when it was written. */
static bool chunk_is_right(const struct work *work, struct tagger *tagger,
                           const unsigned char *bytes, uint64_t index, struct err *err)
{
    size_t content = length_within(work->pour->source->size, index);
    size_t length = length_within(work->pour->disk_size, index);
    struct tag tag;

    if (work->states[index] == CHUNK_ZEROS) {
        return chunk_is_zero(bytes, length) || came_back_wrong(index * CHUNK_SIZE, err);
    }
    if (!tagger_tag(tagger, bytes, content, tag.bytes, err)) {
        return false;
    }
    return (memcmp(tag.bytes, work->tags[index].bytes, CHUNK_TAG_SIZE) == 0 &&
            chunk_is_zero(bytes + content, length - content)) ||
           came_back_wrong(index * CHUNK_SIZE, err);
}

/* Reads of 4 KiB at both ends and somewhere between must give what the whole chunk has; `whole`
 * NULL: zeros. Holes inside objects show themselves in small reads only. */
static bool small_reads_agree(struct work *work, const unsigned char *whole, uint64_t index,
                              struct err *err)
{
    static const unsigned char zeros[XTS_SECTOR];
    size_t sectors = length_within(work->pour->disk_size, index) / XTS_SECTOR;
    unsigned char small[XTS_SECTOR];
    unsigned chance = 0;

    RAND_bytes((unsigned char *)&chance, sizeof(chance));
    const size_t places[] = {0, chance % sectors, sectors - 1};

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        uint64_t offset = index * CHUNK_SIZE + places[i] * XTS_SECTOR;

        if (!medium_read(work->reader, offset, small, sizeof(small), err)) {
            return err_add(err, "read back");
        }
        if (memcmp(small, whole ? whole + places[i] * XTS_SECTOR : zeros, sizeof(small)) != 0) {
            return came_back_wrong(offset, err);
        }
        atomic_fetch_add(&work->compared, sizeof(small));
    }
    return true;
}

static bool is_written(const struct work *work, uint64_t index)
{
    return index < work->chunks && work->states[index] != CHUNK_HOLE;
}

static bool compare_chunk(struct work *work, struct tagger *tagger, unsigned char *bytes,
                          uint64_t index, struct err *err)
{
    size_t length = length_within(work->pour->disk_size, index);
    bool sampled = index % work->sample == 0;

    if (!is_written(work, index)) {
        bool border = is_written(work, index + 1) || (index > 0 && is_written(work, index - 1));

        return (!sampled && !border) || small_reads_agree(work, NULL, index, err);
    }
    if (!medium_read(work->reader, index * CHUNK_SIZE, bytes, length, err)) {
        return err_add(err, "read back");
    }
    atomic_fetch_add(&work->compared, length);
    return chunk_is_right(work, tagger, bytes, index, err) &&
           (!sampled || small_reads_agree(work, bytes, index, err));
}

static bool compare_some(struct crew *crew, void *context, struct err *err)
{
    struct work *work = context;
    AUTO(drop_tagger) struct tagger *tagger = NULL;
    uint64_t index;
    bool ok = tagger_new(work->pour->source->key, &tagger, err);

    while (ok && (index = atomic_fetch_add(&work->next, 1)) < work->chunks) {
        struct buffer *buffer = crew_take(crew);

        if (!buffer) {
            break;
        }
        ok = compare_chunk(work, tagger, buffer->bytes, index, err);
        crew_give(buffer, NULL);
        tell(work, index, WRITTEN_PERCENT, 99, "compare what was written");
    }
    return ok;
}

/* ---- the order of things ---- */

static bool mark_stale(void *context, uint64_t offset, uint64_t length, struct err *err)
{
    struct work *work = context;
    uint64_t end = offset + length;

    (void)err;
    work->header_there = work->header_there || offset < HEADER_SIZE;
    for (uint64_t at = offset < HEADER_SIZE ? HEADER_SIZE : offset; at < end; at += CHUNK_SIZE) {
        uint64_t index = (at - HEADER_SIZE) / CHUNK_SIZE;

        if (index < work->chunks) {
            work->states[index] = CHUNK_STALE;
        }
    }
    return true;
}

static bool header_write(const struct medium *raw, const unsigned char *header, struct err *err)
{
    AUTO(drop_free) unsigned char *back = text_room(1, HEADER_SIZE);

    if (!medium_write(raw, 0, header, HEADER_SIZE, err) || !raw->io->flush(raw->image, err) ||
        !medium_read(raw, 0, back, HEADER_SIZE, err)) {
        return err_add(err, "write the header");
    }
    return memcmp(back, header, HEADER_SIZE) == 0 ||
           err_set(err, ERR_SYSTEM, "the header reads differently than it was written");
}

static bool header_wipe(const struct medium *raw, struct err *err)
{
    AUTO(drop_free) unsigned char *zeros = text_room(1, HEADER_SIZE);

    return header_write(raw, zeros, err);
}

static bool work_begin(const struct pour *pour, struct work *work, struct err *err)
{
    const struct medium *raw = &pour->raw;
    uint64_t size = 0;

    if (pour->disk_size == 0 || pour->disk_size % XTS_SECTOR != 0 ||
        pour->disk_size > CHUNK_MAX_CONTENT) {
        return err_set(err, ERR_INPUT, "a disk cannot have %llu bytes",
                       (unsigned long long)pour->disk_size);
    }
    if (pour->source->size > pour->disk_size) {
        err_set(err, ERR_INPUT, "the image has %llu bytes, the disk only %llu",
                (unsigned long long)pour->source->size, (unsigned long long)pour->disk_size);
        return err_mend(err, "make the disk larger");
    }
    if (!raw->io->size(raw->image, &size, err)) {
        return false;
    }
    if (size != HEADER_SIZE + pour->disk_size) {
        return err_set(err, ERR_CLASH, "the disk's image has %llu bytes, not %llu",
                       (unsigned long long)size,
                       (unsigned long long)(HEADER_SIZE + pour->disk_size));
    }
    work->pour = pour;
    work->chunks = (pour->disk_size + CHUNK_SIZE - 1) / CHUNK_SIZE;
    work->sample = work->chunks / POUR_SAMPLES + 1;
    work->states = text_room(work->chunks, 1);
    work->tags = text_room(work->chunks, sizeof(*work->tags));
    return raw->io->extents(raw->image, mark_stale, work, err);
}

static bool digest_of(const struct work *work, unsigned char out[CONTENT_DIGEST], struct err *err)
{
    AUTO(drop_content) struct content *content = NULL;

    if (!content_new(work->pour->source->size, &content, err)) {
        return false;
    }
    for (uint64_t i = 0; i < work->chunks; i++) {
        if (work->states[i] == CHUNK_DATA && !content_add(content, i, work->tags[i].bytes, err)) {
            return false;
        }
    }
    return content_end(content, out, err);
}

static bool content_is_announced(const struct work *work, unsigned char out[CONTENT_DIGEST],
                                 struct err *err)
{
    const struct source *source = work->pour->source;
    const unsigned char *announced = source->digest(source->self);

    if (!digest_of(work, out, err)) {
        return false;
    }
    return !announced || memcmp(announced, out, CONTENT_DIGEST) == 0 ||
           err_set(err, ERR_CLASH, "the image that came is not the one that was announced");
}

static bool write_all(struct work *work, struct crew *crew, unsigned char digest[CONTENT_DIGEST],
                      struct err *err)
{
    const struct medium *raw = &work->pour->raw;
    unsigned threads = crew_threads(work->pour->threads);

    atomic_store(&work->next, 0);
    return crew_run(crew, threads, pour_source, work, err) &&
           content_is_announced(work, digest, err) &&
           crew_run(crew, threads, pour_zeros, work, err) && raw->io->flush(raw->image, err);
}

/* Through the datastore's decryption, under a header that only a throw-away key opens. */
static bool compare_all(struct work *work, struct crew *crew, struct err *err)
{
    const struct pour *pour = work->pour;
    const struct header_plan plan = {
        .uuid = pour->plan->uuid, .envelope = HEADER_UNFINISHED, .generation = 1};
    AUTO(drop_secret) struct secret *key = NULL, *passphrase = NULL;
    AUTO(drop_free) unsigned char *header = NULL;
    struct medium reader = {0};

    if (!secret_random(32, &key, err) || !header_passphrase(key, plan.uuid, &passphrase, err) ||
        !header_make(&plan, key, work->dek, &header, err) ||
        !header_write(&pour->raw, header, err) ||
        !pour->reader_open(pour->context, passphrase, &reader, err)) {
        return err_add(err, "prepare to compare");
    }
    work->reader = &reader;
    atomic_store(&work->next, 0);
    bool ok = crew_run(crew, COMPARE_THREADS, compare_some, work, err);

    pour->reader_close(pour->context, &reader);
    return ok;
}

static bool pour_all(struct work *work, struct pour_result *result, struct err *err)
{
    const struct pour *pour = work->pour;
    AUTO(drop_secret) struct secret *dek = NULL;
    AUTO(drop_free) unsigned char *header = NULL;
    AUTO(drop_crew) struct crew *crew = NULL;

    if (!header_dek_make(&dek, err) || !header_make(pour->plan, pour->vm_key, dek, &header, err) ||
        !crew_new(POUR_BUFFERS, pour->stop, &crew, err)) {
        return false;
    }
    work->dek = dek;
    if ((work->header_there && !header_wipe(&pour->raw, err)) ||
        !write_all(work, crew, result->digest, err) || !compare_all(work, crew, err)) {
        return false;
    }
    return header_write(&pour->raw, header, err);
}

bool pour(const struct pour *pour, struct pour_result *out, struct err *err)
{
    AUTO(drop_work) struct work work = {0};
    struct pour_result result = {.content = pour->source->size};
    const struct xts_engine *engine = NULL;

    if (!xts_engine_best(&engine, err) || !work_begin(pour, &work, err)) {
        return false;
    }
    if (!pour_all(&work, &result, err)) {
        struct err ignored = {0};

        header_wipe(&pour->raw, &ignored);
        return err_add(err, "pour disk %s", pour->plan->uuid);
    }
    result.engine = engine->name;
    result.written = atomic_load(&work.written);
    result.skipped = pour->disk_size - result.written;
    result.compared = atomic_load(&work.compared);
    progress_tell(pour->progress, 100, "poured");
    *out = result;
    return true;
}
