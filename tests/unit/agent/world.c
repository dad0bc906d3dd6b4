/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "agent/enrol.h"

struct world world;

static char *store_folder;

/* Stands still, but for tests that let it go on. */
static int64_t now(void)
{
    return world.now;
}

static void open_agent(void)
{
    struct err err = {0};

    if (!agent_open(world.folder, &world.agent, &err)) {
        fail_msg("%s", err.what);
    }
    world.agent.now = now;
}

int world_begin(void **state)
{
    unsigned pid = (unsigned)getpid();

    log_begin("test", LOG_CRIT);
    if (scratch_begin(state) != 0) {
        return -1;
    }
    world.now = 1000000;
    world.root = scratch_folder;
    world.folder = scratch_path("agent");
    store_folder = scratch_path("store");
    world.address =
        text_make("127.%u.%u.%u", 64 + (pid >> 15) % 64, (pid >> 7) % 256, 1 + pid % 128);
    fake_store_begin(store_folder);
    fake_hv_power_cut();
    fake_key_away = fake_key_other_away = fake_key_denies = fake_key_lies = false;
    fake_key_lags = fake_key_half = false;
    fake_death = (struct fake_death){0};
    open_agent();
    return 0;
}

int world_end(void **state)
{
    agent_close(&world.agent);
    fake_hv_power_cut();
    free(TAKE(world.folder));
    free(TAKE(world.address));
    free(TAKE(store_folder));
    return scratch_end(state);
}

void world_open(void)
{
    open_agent();
}

void world_close(void)
{
    agent_close(&world.agent);
}

void world_restart(void)
{
    agent_close(&world.agent);
    open_agent();
}

void world_seen_closed(void)
{
    AUTO(drop_free) char *folder = agent_path(&world.agent, "seen");
    AUTO(drop_free) char *beside = agent_path(&world.agent, "was-seen");
    struct err err = {0};

    assert_int_equal(rename(folder, beside), 0);
    assert_true(file_write(folder, "", 0, 0600, &err));
}

void world_seen_open(void)
{
    AUTO(drop_free) char *folder = agent_path(&world.agent, "seen");
    AUTO(drop_free) char *beside = agent_path(&world.agent, "was-seen");

    assert_int_equal(unlink(folder), 0);
    assert_int_equal(rename(beside, folder), 0);
}

void world_power_cut(void)
{
    agent_close(&world.agent);
    fake_hv_power_cut();
    open_agent();
}

/* ---- steps ---- */

void drop_outcome(struct outcome *outcome)
{
    json_decref(outcome->result);
}

json_t *order_of(const char *kind, json_t *params)
{
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s}, s:o}", "kind", kind, "cluster", "id",
                     CLUSTER, "name", "edge-01", "datacenter", "fra1", "host", "name", "h1",
                     "address", world.address, "params", params);
}

struct outcome step_try(const char *kind, json_t *params)
{
    AUTO(drop_json) json_t *order = order_of(kind, params);
    struct outcome outcome = {.made = false};
    struct making making = {.params = NULL};

    assert_non_null(order);
    outcome.made = step_make(&world.agent, order, &making, &outcome.err);
    outcome.changed = making.changed;
    outcome.result = making.result;
    return outcome;
}

bool step_do(const char *kind, json_t *params)
{
    AUTO(drop_outcome) struct outcome outcome = step_try(kind, params);

    if (!outcome.made) {
        fail_msg("%s: %s", kind, outcome.err.what);
    }
    return outcome.changed;
}

void step_refused(const char *kind, json_t *params, enum err_kind kind_of_error)
{
    AUTO(drop_outcome) struct outcome outcome = step_try(kind, params);

    assert_false(outcome.made);
    if (outcome.err.kind != kind_of_error) {
        fail_msg("%s is %s: %s", kind, err_kind_name(outcome.err.kind), outcome.err.what);
    }
}

json_t *provider_params(void)
{
    return json_pack("{s:s, s:s, s:s}", "name", "corp", "type", "native", "tpm", "off");
}

json_t *store_params(void)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "type", "fake", "name", "ds1", "network",
                     "127.0.0.0/8", "replicas", 1);
}

json_t *disk_params(void)
{
    return json_pack("{s:{s:s}, s:i, s:b}", "disk", "path", "/dev/fake", "bytes", 1000, "consent",
                     1);
}

json_t *vm_params(const char *name)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:[{s:s, s:I}, {s:s, s:I}],"
                     " s:{s:s, s:s, s:s, s:[s], s:s}, s:{s:s, s:s}}",
                     "name", name, "cpus", 1, "memory", 512, "accel", "tcg", "disks", "name",
                     "system", "bytes", (json_int_t)DISK_BYTES, "name", "data", "bytes",
                     (json_int_t)(4 * MIB), "network", "bridge", "br0", "address", "127.0.0.10/24",
                     "gateway", "127.0.0.1", "dns", "127.0.0.1", "hostname", "mgr.edge-01.test",
                     "admin", "user", "admin", "password_hash", "scrypt$15$8$1$c2FsdA$aGFzaA");
}

void make_provider(void)
{
    (void)step_do("provider.open", provider_params());
    (void)step_do("ca.make", json_object());
}

void make_store(void)
{
    make_provider();
    (void)step_do("store.begin", store_params());
    (void)step_do("store.disk", disk_params());
    (void)step_do("store.pool", json_object());
    (void)step_do("store.holes", json_object());
}

void make_vm(void)
{
    make_store();
    (void)step_do("vm.seal", vm_params("mgr"));
}

void make_poured(void)
{
    make_vm();
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    if (!poured.made) {
        fail_msg("%s", poured.err.what);
    }
    (void)step_do("disk.blank", this_disk("data"));
    (void)step_do("disk.identity", this_vm());
}

void make_running(void)
{
    make_poured();
    (void)step_do("vm.start", this_vm());
}

const char *vm_uuid(const char *name)
{
    static char uuid[UUID_SIZE];
    AUTO(drop_free) char *label = text_make("vm/%s", name);

    uuid_derive(CLUSTER, label, uuid);
    return uuid;
}

struct vm *vm_here(const char *name)
{
    struct vm *vm = NULL;
    struct err err = {0};

    if (!vm_find(&world.agent, vm_uuid(name), &vm, &err)) {
        fail_msg("%s", err.what);
    }
    return vm;
}

struct vm *vm_elsewhere(void)
{
    struct vm *vm = text_room(1, sizeof(*vm));
    struct err err = {0};

    vm->agent = &world.agent;
    pthread_mutex_init(&vm->lock, NULL);
    memcpy(vm->uuid, vm_uuid("mgr"), UUID_SIZE);
    if (!vm_open(vm, &err)) {
        fail_msg("%s", err.what);
    }
    return vm;
}

json_t *this_vm(void)
{
    return json_pack("{s:s}", "vm", vm_uuid("mgr"));
}

json_t *this_disk(const char *disk)
{
    return json_pack("{s:s, s:s}", "vm", vm_uuid("mgr"), "disk", disk);
}

/* ---- the image ---- */

static const struct extent extents[] = {{0, 100000}, {4 * MIB, MIB}, {5 * MIB, 512}};

static struct {
    struct text bytes;
    size_t at;
    enum harm harm;
} stream;

static void stream_make(void)
{
    AUTO(drop_fd) int fd = scratch_image("image", IMAGE_BYTES, extents, COUNT_OF(extents));
    AUTO(drop_frames_out) struct frames_out *frames = NULL;
    struct err err = {0};
    char piece[65536];
    ssize_t length;

    assert_true(frames_out_new(fd, NULL, &frames, &err));
    while ((length = frames_out_pull(frames, piece, sizeof(piece), &err)) > 0) {
        text_add_bytes(&stream.bytes, piece, (size_t)length);
    }
    assert_int_equal(length, 0);
}

/* As request_read: a peer that went away is an error, one that said less than it had is an end. */
static bool read_stream(void *context, void *to, size_t room, size_t *out_length, struct err *err)
{
    size_t end = stream.bytes.length;

    (void)context;
    if (stream.harm == HARM_BROKEN || stream.harm == HARM_SHORT) {
        end /= 2;
    }
    if (stream.at == end && stream.harm == HARM_BROKEN) {
        return err_set(err, ERR_AWAY, "the peer went away");
    }
    *out_length = room < end - stream.at ? room : end - stream.at;
    memcpy(to, stream.bytes.bytes + stream.at, *out_length);
    stream.at += *out_length;
    return true;
}

struct outcome pour_try(enum harm harm)
{
    struct outcome outcome = {.made = false};
    struct making making = {.params = NULL};

    stream.at = 0;
    stream.harm = harm;
    text_clear(&stream.bytes);
    stream_make();
    if (harm == HARM_DIGEST) {
        stream.bytes.bytes[stream.bytes.length - 1] ^= 1;
    }
    outcome.made = disk_pour_image(&world.agent, vm_uuid("mgr"), "system", read_stream, NULL,
                                   &making, &outcome.err);
    outcome.changed = making.changed;
    outcome.result = making.result;
    text_clear(&stream.bytes);
    return outcome;
}

size_t pour_read(void)
{
    return stream.at;
}

unsigned char *image_plain(void)
{
    AUTO(drop_fd) int fd = scratch_image("image", IMAGE_BYTES, extents, COUNT_OF(extents));
    unsigned char *plain = text_room(1, DISK_BYTES);
    struct err err = {0};

    assert_true(file_pread(fd, plain, IMAGE_BYTES, 0, &err));
    return plain;
}

char *disk_image(const char *disk)
{
    struct vm *vm = vm_here("mgr");
    json_t *entry = NULL;
    struct err err = {0};

    assert_true(vm_open(vm, &err) && vm_disk(vm, disk, &entry, &err));
    return disk_image_name(vm, entry);
}

unsigned char *system_plain(void)
{
    struct vm *vm = vm_here("mgr");
    AUTO(drop_free) char *name = disk_image("system");
    AUTO(drop_secret) struct secret *passphrase = NULL;
    unsigned char *plain = text_room(1, DISK_BYTES);
    struct medium medium = {.io = stores[0]->io};
    json_t *entry = NULL;
    struct err err = {0};

    assert_true(vm_open(vm, &err) && vm_disk(vm, "system", &entry, &err));
    assert_true(header_passphrase(vm->key, json_string_or(entry, "uuid", ""), &passphrase, &err));
    assert_true(stores[0]->images->open(NULL, name, passphrase, false, &medium.image, &err));
    assert_true(medium_read(&medium, 0, plain, DISK_BYTES, &err));
    stores[0]->images->close(medium.image);
    return plain;
}

struct secret *ca_secret(void)
{
    AUTO(drop_free) char *path = agent_path(&world.agent, "ca.envelope");
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    const struct envelope_about about = {.vm = CLUSTER, .purpose = "ca"};
    AUTO(drop_free) char *text = NULL;
    struct secret *secret = NULL;
    struct key *key = NULL;
    struct err err = {0};

    assert_true(file_read(path, CERTIFICATE_MAX, &text, NULL, &err));
    assert_true(envelope_read(text, strlen(text), &envelope, &err));
    assert_true(agent_key_for(&world.agent, envelope_about(envelope), &key, &err));
    assert_true(key_unwrap(key, envelope, &about, &secret, &err));
    return secret;
}
