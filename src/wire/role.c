/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/role.h"

#include <string.h>

#include "base/auto.h"
#include "base/text.h"

static const char scheme[] = "quoin://";

static const struct {
    enum role role;
    const char *name;
    bool in_uri;
} roles[] = {
    {ROLE_LOCAL, "local", false},      {ROLE_HOST, "host", true},
    {ROLE_MANAGER, "manager", true},   {ROLE_DEPLOYER, "deployer", true},
    {ROLE_ANONYMOUS, "nobody", false},
};

const char *role_name(enum role role)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (roles[i].role == role) {
            return roles[i].name;
        }
    }
    return "nobody";
}

char *role_uri(const char *cluster, enum role role, const char *name)
{
    return text_make("%s%s/%s/%s", scheme, cluster, role_name(role), name);
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool name_is_valid(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > ROLE_NAME_MAX || !is_alphanumeric(name[0]) ||
        !is_alphanumeric(name[length - 1])) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_alphanumeric(name[i]) && name[i] != '-' && name[i] != '.') {
            return false;
        }
    }
    return true;
}

static bool role_of(const char *text, size_t length, enum role *out)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (roles[i].in_uri && strlen(roles[i].name) == length &&
            memcmp(roles[i].name, text, length) == 0) {
            *out = roles[i].role;
            return true;
        }
    }
    return false;
}

static bool refused(const char *uri, struct err *err)
{
    return err_set(err, ERR_DENIED, "'%.200s' is not quoin://CLUSTER/ROLE/NAME", uri);
}

bool role_read(const char *uri, struct peer *out, struct err *err)
{
    struct peer peer = {0};

    if (!text_starts(uri, scheme)) {
        return refused(uri, err);
    }
    const char *cluster = uri + sizeof(scheme) - 1;
    const char *role = strchr(cluster, '/');
    const char *name = role ? strchr(role + 1, '/') : NULL;

    if (!name || role - cluster != UUID_SIZE - 1) {
        return refused(uri, err);
    }
    memcpy(peer.cluster, cluster, UUID_SIZE - 1);
    if (!uuid_valid(peer.cluster) || !role_of(role + 1, (size_t)(name - role - 1), &peer.role) ||
        !name_is_valid(name + 1)) {
        return refused(uri, err);
    }
    memcpy(peer.name, name + 1, strlen(name + 1) + 1);
    *out = peer;
    return true;
}
