/* SPDX-License-Identifier: Apache-2.0 */
#include "key/backup.h"

#include "base/text.h"
#include "key/native.h"

#define KIND "backup"

bool backup_make(const char *folder, const struct hostseal_conf *host, const char *cluster,
                 const struct secret *password, char **out_text, struct err *err)
{
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    AUTO(drop_secret) struct secret *content = NULL;
    char owner[UUID_SIZE];

    return (protect_password_fits(password, err) &&
            native_export(folder, host, cluster, true, &jwks, owner, err) &&
            jwks_write(jwks, &content, err) &&
            protect_seal(KIND, owner, password, content, out_text, err)) ||
           err_add(err, "back up the native key provider");
}

bool backup_fetched(const char *folder, struct err *err)
{
    return native_fetched(folder, err);
}

bool backup_look(const char *text, size_t length, char **out_cluster, struct err *err)
{
    char cluster[UUID_SIZE];

    if (!protect_look(KIND, text, length, cluster, err)) {
        return err_add(err, "this is no backup of a native key provider");
    }
    *out_cluster = text_copy(cluster);
    return true;
}

bool backup_restore(const char *folder, const struct hostseal_conf *host, const char *cluster,
                    const char *text, size_t length, const struct secret *password, struct err *err)
{
    AUTO(drop_secret) struct secret *content = NULL;
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    char owner[UUID_SIZE];

    return (protect_open(KIND, text, length, cluster, password, &content, owner, err) &&
            jwks_read(content, &jwks, err) && native_import(folder, host, owner, jwks, err)) ||
           err_add(err, "recover the native key provider");
}
