/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmiprequest.h"

#include "base/file.h"
#include "base/text.h"
#include "key/kmipaccess.h"
#include "wire/certificate.h"

static bool find_or_make(const struct provider_conf *conf, const char *path, struct secret **out,
                         struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;

    if (hostseal_open(&conf->host, path, KMIPACCESS_KEY_PURPOSE, out, err)) {
        return true;
    }
    if (err->kind != ERR_ABSENT) {
        return false;
    }
    if (!file_make_folder(conf->folder, 0700, err) || !certificate_key_make(&key, err) ||
        !hostseal_seal(&conf->host, path, KMIPACCESS_KEY_PURPOSE, key, err)) {
        return false;
    }
    *out = TAKE(key);
    return true;
}

bool kmiprequest_make(const struct provider_conf *conf, const char *common_name, char **out_pem,
                      struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/" KMIPACCESS_KEY_FILE, conf->folder);
    AUTO(drop_secret) struct secret *key = NULL;

    return (find_or_make(conf, path, &key, err) &&
            certificate_request_make(key, common_name, out_pem, err)) ||
           err_add(err, "a request for the key server's client certificate");
}
