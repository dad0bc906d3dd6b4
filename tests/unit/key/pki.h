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

/* FOLDER/NAME.key and NAME.pem, signed by CA for a time that begins tomorrow: as a host sees it
 * whose clock is late. "openssl x509" begins now, "openssl ca" when it is told. */
static inline void pki_sign_tomorrow(const char *ca, const char *name, const char *extensions)
{
    AUTO(drop_free) char *key = text_make("%s/%s.key", folder_path, name);
    AUTO(drop_free) char *pem = text_make("%s/%s.pem", folder_path, name);
    AUTO(drop_free) char *csr = text_make("%s/%s.csr", folder_path, name);
    AUTO(drop_free) char *conf = text_make("%s/%s.cnf", folder_path, name);
    AUTO(drop_free) char *index = text_make("%s/%s.index", folder_path, name);
    AUTO(drop_free) char *ca_key = text_make("%s/%s.key", folder_path, ca);
    AUTO(drop_free) char *ca_pem = text_make("%s/%s.pem", folder_path, ca);
    AUTO(drop_free) char *subject = text_make("/CN=%s", name);
    AUTO(drop_free)
    char *text = text_make("[ca]\ndefault_ca=one\n[one]\ndatabase=%s\nnew_certs_dir=%s\n"
                           "rand_serial=yes\npolicy=any\ndefault_md=sha256\nunique_subject=no\n"
                           "[any]\ncommonName=supplied\n[extensions]\n%s",
                           index, folder_path, extensions);
    time_t start = time(NULL) + 86400, end = start + 30 * 86400;
    char from[16], until[16];
    struct tm parts;
    struct err err = {0};

    assert_true(strftime(from, sizeof(from), "%Y%m%d%H%M%SZ", gmtime_r(&start, &parts)) > 0);
    assert_true(strftime(until, sizeof(until), "%Y%m%d%H%M%SZ", gmtime_r(&end, &parts)) > 0);
    assert_true(file_write(conf, text, strlen(text), 0600, &err));
    assert_true(file_write(index, "", 0, 0600, &err));
    openssl(RUN("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", key, "-out", csr, "-subj", subject));
    openssl(RUN("openssl", "ca", "-batch", "-config", conf, "-in", csr, "-cert", ca_pem, "-keyfile",
                ca_key, "-notext", "-startdate", from, "-enddate", until, "-extensions",
                "extensions", "-out", pem));
}

/* FOLDER/NAME.key and NAME.pem, signed by CA; `extensions` as in an openssl.cnf; `more` are further
 * arguments to "openssl x509" or NULL; its key of an algorithm of "openssl req -newkey". */
static inline void pki_sign_as(const char *algorithm, const char *option, const char *ca,
                               const char *name, const char *extensions, const char *const more[4])
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
    openssl(RUN("openssl", "req", "-new", "-newkey", algorithm, "-pkeyopt", option, "-nodes",
                "-keyout", key, "-out", csr, "-subj", subject));
    openssl((const char *const[]){"openssl", "x509", "-req", "-in", csr, "-CA", ca_pem, "-CAkey",
                                  ca_key, "-CAcreateserial", "-extfile", conf, "-out", pem,
                                  more ? more[0] : "-days", more ? more[1] : "30",
                                  more ? more[2] : NULL, more ? more[3] : NULL, NULL});
}

static inline void pki_sign(const char *ca, const char *name, const char *extensions,
                            const char *const more[4])
{
    pki_sign_as("ec", "ec_paramgen_curve:P-256", ca, name, extensions, more);
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
