/* SPDX-License-Identifier: Apache-2.0 */
/* The native provider as it is, but for being away when a test says so. */
#include "world.h"

extern const struct key_provider native_provider;

bool fake_key_away;

static bool answers(struct err *err)
{
    return !fake_key_away || err_set(err, ERR_AWAY, "the key provider does not answer");
}

static bool fake_open(const struct provider_conf *conf, void **out_self, struct err *err)
{
    return answers(err) && native_provider.open(conf, out_self, err);
}

static void fake_close(void *self)
{
    native_provider.close(self);
}

static bool fake_kek_make(void *self, const char *label, char **out_kek_id, struct err *err)
{
    return answers(err) && native_provider.kek_make(self, label, out_kek_id, err);
}

static bool fake_wrap(void *self, const struct envelope_about *about, const struct secret *secret,
                      struct envelope **out, struct err *err)
{
    return answers(err) && native_provider.wrap(self, about, secret, out, err);
}

static bool fake_unwrap(void *self, const struct envelope *envelope,
                        const struct envelope_about *expected, struct secret **out, struct err *err)
{
    return answers(err) && native_provider.unwrap(self, envelope, expected, out, err);
}

static bool fake_kek_retire(void *self, const char *kek_id, struct err *err)
{
    return answers(err) && native_provider.kek_retire(self, kek_id, err);
}

static bool fake_look(void *self, json_t **out, struct err *err)
{
    return native_provider.look(self, out, err);
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

const struct key_provider *const key_providers[] = {&fake, NULL};
