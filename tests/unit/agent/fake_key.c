/* SPDX-License-Identifier: Apache-2.0 */
/* The native provider as it is, but for being away, lying or dying when a test says so. */
#include "world.h"

#include "base/secret_open.h"

extern const struct key_provider native_provider;

bool fake_key_away, fake_key_other_away, fake_key_denies, fake_key_lies, fake_key_lags,
    fake_key_half;
struct fake_death fake_death;

bool fake_change_begins(struct err *err)
{
    fake_death.calls++;
    if (fake_death.at == 0 || fake_death.calls < fake_death.at) {
        return true;
    }
    if (fake_death.fail) {
        return err_set(err, ERR_AWAY, "nothing is changed any more");
    }
    if (fake_death.calls == fake_death.at && !fake_death.late) {
        _exit(0);
    }
    return true;
}

void fake_change_is_made(void)
{
    if (fake_death.at != 0 && fake_death.calls == fake_death.at && fake_death.late) {
        _exit(0);
    }
}

/* Returns `done`, so that a change and its end are one line. */
static bool made(bool done)
{
    fake_change_is_made();
    return done;
}

/* What a provider of either name is; the type is all that differs. */
struct fake_self {
    void *native;
    bool other;
};

static bool answers(const struct fake_self *self, struct err *err)
{
    if (fake_key_denies) {
        return err_set(err, ERR_DENIED, "the key provider lets nobody in");
    }
    return !(fake_key_away || (self->other && fake_key_other_away)) ||
           err_set(err, ERR_AWAY, "the key provider does not answer");
}

static bool fake_open(const struct provider_conf *conf, void **out_self, struct err *err)
{
    struct fake_self *self = text_room(1, sizeof(*self));

    self->other = strcmp(conf->type, "other") == 0;
    if (!answers(self, err) || !native_provider.open(conf, &self->native, err)) {
        free(self);
        return false;
    }
    *out_self = self;
    return true;
}

static void fake_close(void *context)
{
    struct fake_self *self = context;

    native_provider.close(self->native);
    free(self);
}

static bool fake_kek_make(void *context, const char *label, char **out_kek_id, struct err *err)
{
    struct fake_self *self = context;

    return answers(self, err) && fake_change_begins(err) &&
           made(native_provider.kek_make(self->native, label, out_kek_id, err));
}

static bool fake_wrap(void *context, const struct envelope_about *about,
                      const struct secret *secret, struct envelope **out, struct err *err)
{
    struct fake_self *self = context;

    return answers(self, err) && native_provider.wrap(self->native, about, secret, out, err);
}

static bool fake_unwrap(void *context, const struct envelope *envelope,
                        const struct envelope_about *expected, struct secret **out, struct err *err)
{
    struct fake_self *self = context;

    if (!answers(self, err) ||
        !native_provider.unwrap(self->native, envelope, expected, out, err)) {
        return false;
    }
    if (fake_key_lies) {
        secret_bytes(*out)[0] ^= 1;
    }
    if (strcmp(expected->purpose, KEY_REPLICAS) != 0) {
        return true;
    }
    if (fake_key_half) {
        err_set(err, ERR_AWAY, "whether key server 'kms-2' has the KEK is not known");
    }
    if (fake_key_lags) {
        secret_free(TAKE(*out));
        err_set(err, ERR_CLASH, "key server 'kms-2' does not open what 'kms-1' wrapped");
    }
    return !fake_key_lags;
}

static bool fake_kek_retire(void *context, const char *kek_id, struct err *err)
{
    struct fake_self *self = context;

    return answers(self, err) && fake_change_begins(err) &&
           made(native_provider.kek_retire(self->native, kek_id, err));
}

static bool fake_look(void *context, json_t **out, struct err *err)
{
    struct fake_self *self = context;

    return native_provider.look(self->native, out, err);
}

static const struct key_provider fake = {
    .type = "native",
    .summary = "native, now and then away",
    .open = fake_open,
    .close = fake_close,
    .kek_make = fake_kek_make,
    .wrap = fake_wrap,
    .unwrap = fake_unwrap,
    .kek_retire = fake_kek_retire,
    .look = fake_look,
};

static const struct key_provider fake_other = {
    .type = "other",
    .summary = "the same by another name",
    .open = fake_open,
    .close = fake_close,
    .kek_make = fake_kek_make,
    .wrap = fake_wrap,
    .unwrap = fake_unwrap,
    .kek_retire = fake_kek_retire,
    .look = fake_look,
};

const struct key_provider *const key_providers[] = {&fake, &fake_other, NULL};
