/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made by the openssl command: a CA and what it signs, as PEM texts. */
#ifndef QUOIN_TESTS_PKI_H
#define QUOIN_TESTS_PKI_H

#include "folder.h"

/* Runs openssl; its arguments end by NULL. */
static inline void openssl(const char *const *argv)
{
    struct err err = {0};

    if (!run_ok(&(struct run){.argv = argv}, NULL, &err)) {
        fail_msg("%s", err.what);
    }
}

/* FOLDER/NAME.key and NAME.pem, self-signed. */
static inline void pki_ca(const char *name)
{
    AUTO(drop_free) char *key = text_make("%s/%s.key", folder_path, name);
    AUTO(drop_free) char *pem = text_make("%s/%s.pem", folder_path, name);
    AUTO(drop_free) char *subject = text_make("/CN=%s", name);

    openssl(RUN("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", key, "-out", pem, "-days", "30", "-subj", subject, "-addext",
                "keyUsage=critical,keyCertSign,cRLSign"));
}

/* FOLDER/NAME.key and NAME.pem, signed by CA; `extensions` as in an openssl.cnf; `more` are further
 * arguments to "openssl x509" or NULL. */
static inline void pki_sign(const char *ca, const char *name, const char *extensions,
                            const char *const more[4])
{
    AUTO(drop_free) char *key = text_make("%s/%s.key", folder_path, name);
    AUTO(drop_free) char *pem = text_make("%s/%s.pem", folder_path, name);
    AUTO(drop_free) char *csr = text_make("%s/%s.csr", folder_path, name);
    AUTO(drop_free) char *conf = text_make("%s/%s.cnf", folder_path, name);
    AUTO(drop_free) char *ca_key = text_make("%s/%s.key", folder_path, ca);
    AUTO(drop_free) char *ca_pem = text_make("%s/%s.pem", folder_path, ca);
    AUTO(drop_free) char *subject = text_make("/CN=%s", name);
    struct err err = {0};

    assert_true(file_write(conf, extensions, strlen(extensions), 0600, &err));
    openssl(RUN("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", key, "-out", csr, "-subj", subject));
    openssl((const char *const[]){"openssl", "x509", "-req", "-in", csr, "-CA", ca_pem, "-CAkey",
                                  ca_key, "-CAcreateserial", "-extfile", conf, "-out", pem,
                                  more ? more[0] : "-days", more ? more[1] : "30",
                                  more ? more[2] : NULL, more ? more[3] : NULL, NULL});
}

/* The caller frees. */
static inline char *pki_text(const char *file)
{
    AUTO(drop_free) char *path = text_make("%s/%s", folder_path, file);
    char *text = NULL;
    struct err err = {0};

    assert_true(file_read(path, 65536, &text, NULL, &err));
    return text;
}

static inline struct secret *pki_key(const char *file)
{
    AUTO(drop_free) char *path = text_make("%s/%s", folder_path, file);
    struct secret *secret = NULL;
    struct err err = {0};

    assert_int_equal(chmod(path, 0600), 0);
    assert_true(secret_read_file(path, 65536, false, &secret, &err));
    return secret;
}

#define SERVER_EXTENSIONS                                                                          \
    "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"                     \
    "basicConstraints=CA:FALSE\n"
#define CLIENT_EXTENSIONS "extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n"

#endif
