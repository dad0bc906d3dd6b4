/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/facts.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "blueprint/blueprint.h"
#include "blueprint/source.h"

#define LINE_MAX_WORDS 8

/* One line, its words undone; `take` keeps what it wants by taking the word. */
struct line {
    char *words[LINE_MAX_WORDS];
    size_t count; /* without the key */
};

struct reader {
    struct facts *facts;
    bool began, ended;
};

static char *take_word(struct line *line, size_t number)
{
    return TAKE(line->words[number]);
}

static bool to_number(const char *text, uint64_t max, uint64_t *out)
{
    size_t length = strlen(text);
    uint64_t number;

    if (length == 0 || length > 18 || strspn(text, "0123456789") != length) {
        return false;
    }
    number = strtoull(text, NULL, 10);
    *out = number;
    return number <= max;
}

static bool to_unsigned(const char *text, uint64_t max, unsigned *out)
{
    uint64_t number;

    if (!to_number(text, max, &number)) {
        return false;
    }
    *out = (unsigned)number;
    return true;
}

/* Seconds since 1970 with a fraction; until the year 2500. */
static bool to_time(const char *text, double *out)
{
    char *end;

    if (strspn(text, "0123456789.") != strlen(text)) {
        return false;
    }
    *out = strtod(text, &end);
    return *end == '\0' && end != text && isfinite(*out) && *out < 16725225600.0;
}

/* Anything but a UUID is as if it were not there: then the mark is none of ours. */
static bool to_uuid(const char *text, char out[UUID_SIZE])
{
    if (*text && !uuid_valid(text)) {
        return false;
    }
    (void)snprintf(out, UUID_SIZE, "%s", text);
    return true;
}

static void set(char **slot, char *text)
{
    free(*slot);
    *slot = text;
}

/* Room for one more; NULL when the list is full. Grown by doubling. */
static void *one_more(void *items, size_t *count, size_t size)
{
    void **list = items;
    size_t room = *count;

    if (room == FACTS_MAX_ITEMS) {
        return NULL;
    }
    if ((room & (room - 1)) == 0) {
        void *larger = reallocarray(*list, room ? 2 * room : 1, size);

        if (!larger) {
            abort();
        }
        *list = larger;
    }
    char *item = (char *)*list + (*count)++ * size;

    memset(item, 0, size);
    return item;
}

static bool add_name(struct facts_names *names, char *name)
{
    char **slot = one_more(&names->items, &names->count, sizeof(*names->items));

    if (!slot) {
        free(name);
        return false;
    }
    *slot = name;
    return true;
}

static bool add_pair(struct facts_pairs *pairs, struct line *line)
{
    struct facts_pair *pair = one_more(&pairs->items, &pairs->count, sizeof(*pairs->items));

    if (!pair) {
        return false;
    }
    *pair = (struct facts_pair){take_word(line, 0), take_word(line, 1)};
    return true;
}

static struct facts_disk *last_disk(struct reader *reader)
{
    struct facts *facts = reader->facts;

    return facts->disk_count > 0 ? &facts->disks[facts->disk_count - 1] : NULL;
}

#define TAKES(name) static bool name(struct reader *reader, struct line *line)

TAKES(take_began)
{
    return to_time(line->words[0], &reader->facts->began);
}

TAKES(take_ended)
{
    return to_time(line->words[0], &reader->facts->ended);
}

TAKES(take_hostname)
{
    set(&reader->facts->hostname, take_word(line, 0));
    return true;
}

TAKES(take_machine_id)
{
    set(&reader->facts->machine_id, take_word(line, 0));
    return true;
}

TAKES(take_product_uuid)
{
    set(&reader->facts->product_uuid, take_word(line, 0));
    return true;
}

TAKES(take_kernel)
{
    set(&reader->facts->kernel, take_word(line, 0));
    return true;
}

TAKES(take_os)
{
    set(&reader->facts->os, take_word(line, 0));
    set(&reader->facts->os_version, take_word(line, 1));
    return true;
}

TAKES(take_superuser)
{
    unsigned value;

    if (!to_unsigned(line->words[0], 1, &value)) {
        return false;
    }
    reader->facts->superuser = value == 1;
    return true;
}

TAKES(take_cpus)
{
    return to_unsigned(line->words[0], 65536, &reader->facts->cpus);
}

TAKES(take_memory)
{
    return to_number(line->words[0], INT64_MAX, &reader->facts->memory_total) &&
           to_number(line->words[1], INT64_MAX, &reader->facts->memory_available);
}

TAKES(take_hypervisor)
{
    static const char *const words[] = {"unknown", "none", "tcg", "kvm"};

    for (unsigned i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i], line->words[0]) == 0) {
            reader->facts->hypervisor = (enum hypervisor)i;
            return to_unsigned(line->words[1], 3600000, &reader->facts->hypervisor_ms);
        }
    }
    return false;
}

TAKES(take_tpm)
{
    set(&reader->facts->tpm, take_word(line, 0));
    return true;
}

TAKES(take_bridge)
{
    return add_name(&reader->facts->bridges, take_word(line, 0));
}

TAKES(take_address)
{
    return add_name(&reader->facts->addresses, take_word(line, 0));
}

#define TAKES_PAIR(list)                                                                           \
    TAKES(take_##list)                                                                             \
    {                                                                                              \
        return add_pair(&reader->facts->list, line);                                               \
    }

TAKES_PAIR(packages)
TAKES_PAIR(names)
TAKES_PAIR(ports)
TAKES_PAIR(moves)

TAKES(take_server)
{
    struct facts_servers *servers = &reader->facts->servers;

    if (servers->count == FACTS_MAX_SERVERS) {
        return false;
    }
    servers->items = realloc(servers->items, (servers->count + 1) * sizeof(*servers->items));
    if (!servers->items) {
        abort();
    }
    servers->items[servers->count++] = (struct facts_server){.name = take_word(line, 0),
                                                             .address = take_word(line, 1),
                                                             .state = take_word(line, 2),
                                                             .machine = take_word(line, 3)};
    return true;
}

TAKES(take_agent)
{
    set(&reader->facts->agent_version, take_word(line, 0));
    set(&reader->facts->agent_host, take_word(line, 2));
    return to_uuid(line->words[1], reader->facts->agent_cluster);
}

TAKES(take_member)
{
    reader->facts->member = strcmp(line->words[0], "yes") == 0;
    return reader->facts->member;
}

static bool take_flags(struct facts_disk *disk, char *flags)
{
    const struct {
        const char *word;
        bool *flag;
    } known[] = {{"ro", &disk->read_only},    {"rotational", &disk->rotational},
                 {"mounted", &disk->mounted}, {"busy", &disk->busy},
                 {"root", &disk->root},       {"zero", &disk->zero}};
    char *rest = NULL;

    for (char *word = strtok_r(flags, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        size_t i = 0;

        while (i < COUNT_OF(known) && strcmp(known[i].word, word) != 0) {
            i++;
        }
        if (i == COUNT_OF(known)) {
            return false;
        }
        *known[i].flag = true;
    }
    return true;
}

TAKES(take_disk)
{
    struct facts *facts = reader->facts;
    struct facts_disk *disk = one_more(&facts->disks, &facts->disk_count, sizeof(*facts->disks));

    if (!disk || !text_starts(line->words[0], "/dev/")) {
        return false;
    }
    disk->node = take_word(line, 0);
    return to_unsigned(line->words[1], 1 << 20, &disk->major) &&
           to_unsigned(line->words[2], 1 << 20, &disk->minor) &&
           to_number(line->words[3], INT64_MAX, &disk->bytes) &&
           to_unsigned(line->words[4], 1 << 24, &disk->logical) &&
           to_unsigned(line->words[5], 1 << 24, &disk->physical) &&
           take_flags(disk, line->words[6]);
}

TAKES(take_disk_signature)
{
    set(&last_disk(reader)->signature, take_word(line, 0));
    return true;
}

TAKES(take_disk_id)
{
    struct facts_disk *disk = last_disk(reader);

    set(&disk->serial, take_word(line, 0));
    set(&disk->wwn, take_word(line, 1));
    set(&disk->uuid, take_word(line, 2));
    set(&disk->model, take_word(line, 3));
    return true;
}

TAKES(take_disk_link)
{
    return add_name(&last_disk(reader)->links, take_word(line, 0));
}

TAKES(take_disk_mark)
{
    struct facts_disk *disk = last_disk(reader);

    set(&disk->mark_host, take_word(line, 1));
    return to_uuid(line->words[0], disk->mark_cluster) && to_uuid(line->words[2], disk->mark_disk);
}

TAKES(take_disk_store)
{
    struct facts_disk *disk = last_disk(reader);

    return to_uuid(line->words[0], disk->store_cluster) && to_uuid(line->words[1], disk->store_id);
}

/* clang-format off: a table is read by its columns */
static const struct {
    const char *key;
    size_t words;
    bool of_disk; /* says more of the disk above it */
    bool (*take)(struct reader *reader, struct line *line);
} line_kinds[] = {
    {"began", 1, false, take_began},
    {"hostname", 1, false, take_hostname},
    {"machine-id", 1, false, take_machine_id},
    {"product-uuid", 1, false, take_product_uuid},
    {"kernel", 1, false, take_kernel},
    {"os", 2, false, take_os},
    {"superuser", 1, false, take_superuser},
    {"cpus", 1, false, take_cpus},
    {"memory", 2, false, take_memory},
    {"tpm", 1, false, take_tpm},
    {"package", 2, false, take_packages},
    {"bridge", 1, false, take_bridge},
    {"address", 1, false, take_address},
    {"name", 2, false, take_names},
    {"port", 2, false, take_ports},
    {"move", 2, false, take_moves},
    {"server", 4, false, take_server},
    {"agent", 3, false, take_agent},
    {"member", 1, false, take_member},
    {"disk", 7, false, take_disk},
    {"disk-signature", 1, true, take_disk_signature},
    {"disk-id", 4, true, take_disk_id},
    {"disk-link", 1, true, take_disk_link},
    {"disk-mark", 3, true, take_disk_mark},
    {"disk-store", 2, true, take_disk_store},
    {"hypervisor", 2, false, take_hypervisor},
    {"ended", 1, false, take_ended},
};
/* clang-format on */

static bool is_plain(char byte)
{
    return isascii(byte) && (isalnum((unsigned char)byte) || strchr("._:/@+,=~-", byte));
}

/* Undoes %XX; NULL: malformed or too long. */
static char *word_undo(const char *word, size_t length)
{
    char *out = text_room(length + 1, 1);
    size_t used = 0;

    if (length == 1 && word[0] == '%') {
        return out;
    }
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '%' && length - i > 2 && isxdigit((unsigned char)word[i + 1]) &&
            isxdigit((unsigned char)word[i + 2])) {
            const char digits[3] = {word[i + 1], word[i + 2], '\0'};

            out[used++] = (char)strtoul(digits, NULL, 16);
            i += 2;
        } else if (word[i] && is_plain(word[i])) {
            out[used++] = word[i];
        } else {
            used = 0;
            break;
        }
    }
    if (used == 0 || used > FACTS_MAX_WORD || memchr(out, '\0', used)) {
        free(out);
        return NULL;
    }
    source_defuse(out);
    return out;
}

static void line_clear(struct line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        free(line->words[i]);
    }
}

/* Words parted by single spaces. */
static bool line_split(const char *at, const char *end, struct line *out)
{
    *out = (struct line){0};
    while (at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        size_t length = (size_t)((space ? space : end) - at);

        if (length == 0 || out->count == LINE_MAX_WORDS || (space && space + 1 == end)) {
            return false;
        }
        char *word = word_undo(at, length);

        if (!word) {
            return false;
        }
        out->words[out->count++] = word;
        at += length + 1;
    }
    return out->count > 0;
}

static bool take_line(struct reader *reader, struct line *line)
{
    char *key = line->words[0];
    struct line rest = {.count = line->count - 1};
    bool good = false;

    if (!reader->began || reader->ended) {
        reader->began = !reader->began && strcmp(key, "quoin-facts") == 0 && rest.count == 1 &&
                        strcmp(line->words[1], "1") == 0;
        return reader->began && !reader->ended;
    }
    if (strcmp(key, "end") == 0 && rest.count == 0) {
        reader->ended = true;
        return true;
    }
    memcpy(rest.words, line->words + 1, rest.count * sizeof(rest.words[0]));
    for (size_t i = 0; i < COUNT_OF(line_kinds) && !good; i++) {
        good = strcmp(line_kinds[i].key, key) == 0 && line_kinds[i].words == rest.count &&
               (!line_kinds[i].of_disk || last_disk(reader)) && line_kinds[i].take(reader, &rest);
    }
    memcpy(line->words + 1, rest.words, rest.count * sizeof(rest.words[0]));
    return good;
}

static bool read_line(struct reader *reader, const char *at, const char *end)
{
    struct line line;
    bool good = line_split(at, end, &line) && take_line(reader, &line);

    line_clear(&line);
    return good;
}

/* Whatever was not said is an empty text, so that nobody meets a NULL. */
static void fill_in(struct facts *facts)
{
    char **texts[] = {
        &facts->hostname,  &facts->machine_id, &facts->product_uuid, &facts->kernel,
        &facts->os,        &facts->os_version, &facts->tpm,          &facts->agent_version,
        &facts->agent_host};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = *texts[i] ? *texts[i] : text_copy("");
    }
    for (size_t d = 0; d < facts->disk_count; d++) {
        struct facts_disk *disk = &facts->disks[d];
        char **parts[] = {&disk->signature, &disk->serial, &disk->wwn,
                          &disk->uuid,      &disk->model,  &disk->mark_host};

        for (size_t i = 0; i < COUNT_OF(parts); i++) {
            *parts[i] = *parts[i] ? *parts[i] : text_copy("");
        }
    }
}

bool facts_read(const char *bytes, size_t length, struct facts **out, struct err *err)
{
    AUTO(drop_facts) struct facts *facts = text_room(1, sizeof(*facts));
    struct reader reader = {.facts = facts};
    const char *end = bytes + length;
    size_t number = 1;

    if (length > FACTS_MAX_BYTES) {
        return err_set(err, ERR_INPUT, "the host says more than %u bytes of itself",
                       FACTS_MAX_BYTES);
    }
    for (const char *at = bytes; at < end; number++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));

        if (!feed || !read_line(&reader, at, feed)) {
            return err_set(err, ERR_INPUT, "line %zu of what the host says of itself is malformed",
                           number);
        }
        at = feed + 1;
    }
    if (!reader.ended) {
        return err_set(err, ERR_INPUT, "what the host says of itself is cut off at line %zu",
                       number);
    }
    fill_in(facts);
    *out = TAKE(facts);
    return true;
}

static void clear_names(struct facts_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
    }
    free(names->items);
}

static void clear_pairs(struct facts_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].value);
    }
    free(pairs->items);
}

static void clear_disk(struct facts_disk *disk)
{
    free(disk->node);
    free(disk->signature);
    free(disk->serial);
    free(disk->wwn);
    free(disk->uuid);
    free(disk->model);
    free(disk->mark_host);
    clear_names(&disk->links);
}

void facts_free(struct facts *facts)
{
    if (!facts) {
        return;
    }
    char *texts[] = {facts->hostname,  facts->machine_id, facts->product_uuid, facts->kernel,
                     facts->os,        facts->os_version, facts->tpm,          facts->agent_version,
                     facts->agent_host};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        free(texts[i]);
    }
    clear_names(&facts->bridges);
    clear_names(&facts->addresses);
    clear_pairs(&facts->packages);
    clear_pairs(&facts->names);
    clear_pairs(&facts->ports);
    clear_pairs(&facts->moves);
    for (size_t i = 0; i < facts->servers.count; i++) {
        free(facts->servers.items[i].name);
        free(facts->servers.items[i].address);
        free(facts->servers.items[i].state);
        free(facts->servers.items[i].machine);
    }
    free(facts->servers.items);
    for (size_t i = 0; i < facts->disk_count; i++) {
        clear_disk(&facts->disks[i]);
    }
    free(facts->disks);
    free(facts);
}
