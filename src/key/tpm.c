/* SPDX-License-Identifier: Apache-2.0 */
#include "key/tpm.h"

#include <openssl/crypto.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "base/encode.h"
#include "base/secret_open.h"
#include "base/text.h"

/* TCG TPM v2.0 Provisioning Guidance, section 7.8: where the storage key rests, if it rests. */
#define SRK_HANDLE 0x81000001u

struct tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

/* The storage key of this use: flushed afterwards if it was made for it. */
struct parent {
    ESYS_TR object;
    uint32_t handle;
    char name[TPM_NAME_SIZE];
};

static const TPMT_SYM_DEF aes_cfb = {
    .algorithm = TPM2_ALG_AES,
    .keyBits = {.aes = 128},
    .mode = {.aes = TPM2_ALG_CFB},
};

/* --- what went wrong ------------------------------------------------------------------------ */

/* Without the number of the parameter, handle or session that the TPM complains about. */
static TSS2_RC bare(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
    TSS2_RC code = rc & ~(TSS2_RC)TSS2_RC_LAYER_MASK;

    if (layer != 0 && layer != TSS2_RESMGR_TPM_RC_LAYER) {
        return rc;
    }
    return code & TPM2_RC_FMT1 ? code & (TPM2_RC_FMT1 | 0x3f) : code;
}

static const struct {
    TSS2_RC rc;
    enum err_kind kind;
    const char *what;
    const char *remedy;
} faults[] = {
    {TPM2_RC_INTEGRITY, ERR_DENIED, "it was sealed by another TPM, or was changed",
     "open it on the host that sealed it, or recover from the backup"},
    {TPM2_RC_POLICY_FAIL, ERR_DENIED, "the PCRs are not what they were when it was sealed",
     "boot what was booted then; or bring the keys back by the recovery key or the backup, which "
     "binds them to the PCRs as they are now: quoin key recover --file FILE"},
    {TPM2_RC_POLICY, ERR_DENIED, "its time is over, by the TPM's clock or its starts", NULL},
    {TPM2_RC_AUTH_FAIL, ERR_DENIED, "the TPM refuses the authorization", NULL},
    {TPM2_RC_BAD_AUTH, ERR_DENIED, "the TPM's owner hierarchy has a password",
     "make a storage key at 0x81000001 (tpm2_createprimary, tpm2_evictcontrol)"},
    {TPM2_RC_LOCKOUT, ERR_AWAY, "the TPM is locked out after wrong passwords",
     "wait, or clear the lockout: tpm2_dictionarylockout --clear-lockout"},
    {TPM2_RC_RETRY, ERR_AWAY, "the TPM is busy", "try again"},
    {TPM2_RC_YIELDED, ERR_AWAY, "the TPM is busy", "try again"},
    {TPM2_RC_TESTING, ERR_AWAY, "the TPM tests itself", "try again"},
    {TPM2_RC_NV_RATE, ERR_AWAY, "the TPM limits its writes", "try again"},
    {TPM2_RC_OBJECT_MEMORY, ERR_AWAY, "the TPM's memory is full of others' objects",
     "use a resource manager (device:/dev/tpmrm0), or flush: tpm2_flushcontext -t"},
    {TPM2_RC_SESSION_MEMORY, ERR_AWAY, "the TPM's memory is full of others' sessions",
     "use a resource manager (device:/dev/tpmrm0), or flush: tpm2_flushcontext -l"},
    {TPM2_RC_INITIALIZE, ERR_AWAY, "the TPM was not started", "tpm2_startup -c"},
    {TSS2_ESYS_RC_RSP_AUTH_FAILED, ERR_DENIED, "someone changed the TPM's answer on its way", NULL},
    {TSS2_ESYS_RC_MALFORMED_RESPONSE, ERR_DENIED, "the TPM's answer is malformed", NULL},
};

static bool fail(TSS2_RC rc, const char *doing, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        if (faults[i].rc == bare(rc)) {
            err_set(err, faults[i].kind, "%s: %s", doing, faults[i].what);
            return faults[i].remedy ? err_mend(err, "%s", faults[i].remedy) : false;
        }
    }
    if ((rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER) {
        return err_set(err, ERR_AWAY, "%s: the TPM does not answer (%s)", doing,
                       Tss2_RC_Decode(rc));
    }
    return err_set(err, ERR_SYSTEM, "%s: %s (0x%x)", doing, Tss2_RC_Decode(rc), rc);
}

/* tpm2-tss writes to standard error what we return as an error. Its log looks at the environment at
 * the first use; to set it there once threads run would be a race. An administrator's word stays.
 */
__attribute__((constructor)) static void be_quiet(void)
{
    (void)setenv("TSS2_LOG", "all+none", 0);
}

/* --- the connection ------------------------------------------------------------------------- */

bool tpm_open(const char *tcti, struct tpm **out, struct err *err)
{
    AUTO(drop_tpm) struct tpm *tpm = text_room(1, sizeof(*tpm));
    TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti, &tpm->tcti);

    rc = rc ? rc : Esys_Initialize(&tpm->esys, tpm->tcti, NULL);
    if (rc != TSS2_RC_SUCCESS) {
        err_set(err, ERR_AWAY, "no TPM answers at '%s' (%s)", tcti, Tss2_RC_Decode(rc));
        return err_mend(err, "start it, or say where it is: TCTI=… in /etc/quoin/tpm.env");
    }
    *out = TAKE(tpm);
    return true;
}

void tpm_close(struct tpm *tpm)
{
    if (tpm) {
        Esys_Finalize(&tpm->esys);
        Tss2_TctiLdr_Finalize(&tpm->tcti);
        free(tpm);
    }
}

/* --- the storage key ------------------------------------------------------------------------ */

static TPM2B_PUBLIC srk_template(void)
{
    return (TPM2B_PUBLIC){
        .publicArea =
            {
                .type = TPM2_ALG_ECC,
                .nameAlg = TPM2_ALG_SHA256,
                .objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                    TPMA_OBJECT_NODA,
                .parameters.eccDetail =
                    {
                        .symmetric = {.algorithm = TPM2_ALG_AES,
                                      .keyBits.aes = 128,
                                      .mode.aes = TPM2_ALG_CFB},
                        .scheme.scheme = TPM2_ALG_NULL,
                        .curveID = TPM2_ECC_NIST_P256,
                        .kdf.scheme = TPM2_ALG_NULL,
                    },
                .unique.ecc = {.x.size = 32, .y.size = 32},
            },
    };
}

static bool name_of(struct tpm *tpm, ESYS_TR object, char out[TPM_NAME_SIZE], struct err *err)
{
    TPM2B_NAME *name = NULL;
    TSS2_RC rc = Esys_TR_GetName(tpm->esys, object, &name);
    AUTO(drop_free) char *hex = NULL;

    if (rc != TSS2_RC_SUCCESS) {
        return fail(rc, "name the TPM's storage key", err);
    }
    hex = encode_hex(name->name, name->size);
    Esys_Free(name);
    if (strlen(hex) != TPM_NAME_SIZE - 1) {
        return err_set(err, ERR_INPUT, "the TPM's storage key is not named by SHA-256");
    }
    memcpy(out, hex, TPM_NAME_SIZE);
    return true;
}

/* Restricted to decrypt, and bound to this TPM: else it is something else that lies there. */
static bool is_storage_key(struct tpm *tpm, ESYS_TR object)
{
    const TPMA_OBJECT needed = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM |
                               TPMA_OBJECT_FIXEDPARENT;
    TPM2B_PUBLIC *public = NULL;
    bool is = false;

    if (Esys_ReadPublic(tpm->esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL,
                        NULL) == TSS2_RC_SUCCESS) {
        is = (public->publicArea.objectAttributes & needed) == needed &&
             public->publicArea.nameAlg == TPM2_ALG_SHA256;
        Esys_Free(public);
    }
    return is;
}

static bool find_persistent(struct tpm *tpm, struct parent *out)
{
    if (Esys_TR_FromTPMPublic(tpm->esys, SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              &out->object) != TSS2_RC_SUCCESS) {
        return false;
    }
    if (!is_storage_key(tpm, out->object)) {
        (void)Esys_TR_Close(tpm->esys, &out->object);
        return false;
    }
    out->handle = SRK_HANDLE;
    return true;
}

static bool make_primary(struct tpm *tpm, struct parent *out, struct err *err)
{
    const TPM2B_SENSITIVE_CREATE no_auth = {0};
    const TPM2B_PUBLIC template = srk_template();
    const TPM2B_DATA no_info = {0};
    const TPML_PCR_SELECTION no_pcrs = {0};
    TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &no_auth, &template, &no_info, &no_pcrs,
                                    &out->object, NULL, NULL, NULL, NULL);

    out->handle = 0;
    return rc == TSS2_RC_SUCCESS || fail(rc, "make the TPM's storage key", err);
}

static void parent_drop(struct tpm *tpm, struct parent *parent)
{
    if (parent->handle == 0) {
        (void)Esys_FlushContext(tpm->esys, parent->object);
    } else {
        (void)Esys_TR_Close(tpm->esys, &parent->object);
    }
}

static bool parent_make(struct tpm *tpm, struct parent *out, struct err *err)
{
    if (!find_persistent(tpm, out) && !make_primary(tpm, out, err)) {
        return false;
    }
    if (!name_of(tpm, out->object, out->name, err)) {
        parent_drop(tpm, out);
        return false;
    }
    return true;
}

/* The very key that was there when sealing: by its name, which is a hash of all of its public
 * part, and before anything is encrypted to it. */
static bool parent_find(struct tpm *tpm, const struct tpm_sealed *sealed, struct parent *out,
                        struct err *err)
{
    if (sealed->parent_handle != 0 && !find_persistent(tpm, out)) {
        return err_set(err, ERR_DENIED, "the TPM has no storage key at 0x%08x any more",
                       sealed->parent_handle);
    }
    if (sealed->parent_handle == 0 && !make_primary(tpm, out, err)) {
        return false;
    }
    if (!name_of(tpm, out->object, out->name, err)) {
        parent_drop(tpm, out);
        return false;
    }
    if (strcmp(out->name, sealed->parent_name) != 0) {
        parent_drop(tpm, out);
        err_set(err, ERR_DENIED, "the TPM's storage key is another than when it was sealed");
        return err_mend(err, "open it on the host that sealed it, or recover from the backup");
    }
    return true;
}

/* --- sessions and policy -------------------------------------------------------------------- */

static TPML_PCR_SELECTION selection_of(unsigned pcrs)
{
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = {{.hash = TPM2_ALG_SHA256,
                           .sizeofSelect = 3,
                           .pcrSelect = {(BYTE)pcrs, (BYTE)(pcrs >> 8), (BYTE)(pcrs >> 16)}}},
    };
}

/* Salted to `parent` (ESYS_TR_NONE: not, for a trial that carries no secret). */
static bool session_start(struct tpm *tpm, ESYS_TR parent, TPM2_SE type, ESYS_TR *out,
                          struct err *err)
{
    const TPMA_SESSION attributes =
        TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
    TSS2_RC rc = Esys_StartAuthSession(tpm->esys, parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, type, &aes_cfb, TPM2_ALG_SHA256, out);

    if (rc != TSS2_RC_SUCCESS) {
        return fail(rc, "start a session with the TPM", err);
    }
    rc = Esys_TRSess_SetAttributes(tpm->esys, *out, attributes, 0xff);
    if (rc != TSS2_RC_SUCCESS) {
        (void)Esys_FlushContext(tpm->esys, *out);
        return fail(rc, "encrypt a session with the TPM", err);
    }
    return true;
}

static bool policy_add_pcrs(struct tpm *tpm, ESYS_TR session, unsigned pcrs, struct err *err)
{
    const TPML_PCR_SELECTION selection = selection_of(pcrs);
    const TPM2B_DIGEST now = {0};
    TSS2_RC rc = Esys_PolicyPCR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &now,
                                &selection);

    return rc == TSS2_RC_SUCCESS || fail(rc, "bind to the TPM's PCRs", err);
}

/* Where they lie in a TPMS_TIME_INFO: 64 bits of `time`, 64 of `clock`, 32 of `resetCount`. */
#define CLOCK_OFFSET  8
#define RESETS_OFFSET 16

/* What lies there, as a number of `size` bytes, is not above `limit`. */
static bool policy_add_limit(struct tpm *tpm, ESYS_TR session, uint64_t limit, UINT16 size,
                             UINT16 offset, struct err *err)
{
    TPM2B_OPERAND operand = {.size = size};
    TSS2_RC rc;

    for (unsigned i = 0; i < size; i++) {
        operand.buffer[i] = (BYTE)(limit >> (8 * (size - 1u - i)));
    }
    rc = Esys_PolicyCounterTimer(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &operand, offset, TPM2_EO_UNSIGNED_LE);
    return rc == TSS2_RC_SUCCESS || fail(rc, "bind to the TPM's clock", err);
}

static bool is_bound(const struct tpm_policy *policy)
{
    return policy->pcrs != 0 || policy->until != 0;
}

static bool policy_add(struct tpm *tpm, ESYS_TR session, const struct tpm_policy *policy,
                       struct err *err)
{
    return (policy->pcrs == 0 || policy_add_pcrs(tpm, session, policy->pcrs, err)) &&
           (policy->until == 0 ||
            (policy_add_limit(tpm, session, policy->until, 8, CLOCK_OFFSET, err) &&
             policy_add_limit(tpm, session, policy->resets, 4, RESETS_OFFSET, err)));
}

/* The digest of "these PCRs as they are now, and no later than that". */
static bool policy_digest(struct tpm *tpm, const struct tpm_policy *policy, TPM2B_DIGEST *out,
                          struct err *err)
{
    TPM2B_DIGEST *digest = NULL;
    ESYS_TR trial;
    TSS2_RC rc;
    bool good;

    if (!session_start(tpm, ESYS_TR_NONE, TPM2_SE_TRIAL, &trial, err)) {
        return false;
    }
    good = policy_add(tpm, trial, policy, err);
    if (good) {
        rc = Esys_PolicyGetDigest(tpm->esys, trial, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &digest);
        good = rc == TSS2_RC_SUCCESS || fail(rc, "read the TPM's policy", err);
    }
    if (good) {
        *out = *digest;
        Esys_Free(digest);
    }
    (void)Esys_FlushContext(tpm->esys, trial);
    return good;
}

/* --- sealing -------------------------------------------------------------------------------- */

static bool sealed_template(struct tpm *tpm, const struct tpm_policy *policy, TPM2B_PUBLIC *out,
                            struct err *err)
{
    *out = (TPM2B_PUBLIC){
        .publicArea =
            {
                .type = TPM2_ALG_KEYEDHASH,
                .nameAlg = TPM2_ALG_SHA256,
                .objectAttributes =
                    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
            },
    };
    if (!is_bound(policy)) {
        out->publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
        return true;
    }
    return policy_digest(tpm, policy, &out->publicArea.authPolicy, err);
}

static bool keep_blobs(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
                       struct tpm_sealed *out, struct err *err)
{
    out->public_size = out->private_size = 0;
    return (Tss2_MU_TPM2B_PUBLIC_Marshal(public, out->public_part, sizeof(out->public_part),
                                         &out->public_size) == TSS2_RC_SUCCESS &&
            Tss2_MU_TPM2B_PRIVATE_Marshal(private, out->private_part, sizeof(out->private_part),
                                          &out->private_size) == TSS2_RC_SUCCESS) ||
           err_set(err, ERR_SYSTEM, "what the TPM sealed is too large to keep");
}

static bool create(struct tpm *tpm, const struct parent *parent, const struct tpm_policy *policy,
                   const TPM2B_SENSITIVE_CREATE *sensitive, struct tpm_sealed *out, struct err *err)
{
    const TPM2B_DATA no_info = {0};
    const TPML_PCR_SELECTION no_pcrs = {0};
    TPM2B_PUBLIC template, *public = NULL;
    TPM2B_PRIVATE *private = NULL;
    ESYS_TR session;
    TSS2_RC rc;
    bool good;

    if (!sealed_template(tpm, policy, &template, err) ||
        !session_start(tpm, parent->object, TPM2_SE_HMAC, &session, err)) {
        return false;
    }
    rc = Esys_Create(tpm->esys, parent->object, session, ESYS_TR_NONE, ESYS_TR_NONE, sensitive,
                     &template, &no_info, &no_pcrs, &private, &public, NULL, NULL, NULL);
    (void)Esys_FlushContext(tpm->esys, session);
    if (rc != TSS2_RC_SUCCESS) {
        return fail(rc, "seal by the TPM", err);
    }
    good = keep_blobs(public, private, out, err);
    Esys_Free(public);
    Esys_Free(private);
    return good;
}

bool tpm_now(struct tpm *tpm, struct tpm_time *out, struct err *err)
{
    TPMS_TIME_INFO *now = NULL;
    TSS2_RC rc = Esys_ReadClock(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &now);

    if (rc != TSS2_RC_SUCCESS) {
        return fail(rc, "read the TPM's clock", err);
    }
    *out = (struct tpm_time){.clock = now->clockInfo.clock, .resets = now->clockInfo.resetCount};
    Esys_Free(now);
    return true;
}

bool tpm_seal(struct tpm *tpm, const struct tpm_policy *policy, const struct secret *secret,
              struct tpm_sealed *out, struct err *err)
{
    AUTO(drop_secret) struct secret *room = NULL;
    size_t size = secret_size(secret);
    TPM2B_SENSITIVE_CREATE *sensitive;
    struct tpm_sealed sealed = {.policy = *policy};
    struct parent parent;
    bool good;

    if (size > TPM_MAX_SECRET || policy->pcrs >> 24 != 0) {
        return err_set(err, ERR_INPUT, "a TPM seals at most %u bytes, to PCRs 0 to 23",
                       TPM_MAX_SECRET);
    }
    /* In locked memory, as the secret itself. */
    if (!secret_new(sizeof(*sensitive), &room, err) || !parent_make(tpm, &parent, err)) {
        return false;
    }
    sensitive = (TPM2B_SENSITIVE_CREATE *)(void *)secret_bytes(room);
    sensitive->sensitive.data.size = (UINT16)size;
    memcpy(sensitive->sensitive.data.buffer, secret_look(secret), size);
    good = create(tpm, &parent, policy, sensitive, &sealed, err);
    parent_drop(tpm, &parent);
    if (good) {
        sealed.parent_handle = parent.handle;
        memcpy(sealed.parent_name, parent.name, sizeof(sealed.parent_name));
        *out = sealed;
    }
    return good;
}

/* --- opening -------------------------------------------------------------------------------- */

static bool load(struct tpm *tpm, ESYS_TR parent, ESYS_TR session, const struct tpm_sealed *sealed,
                 ESYS_TR *out, struct err *err)
{
    TPM2B_PUBLIC public = {0};
    TPM2B_PRIVATE private = {0};
    size_t public_end = 0, private_end = 0;
    TSS2_RC rc;

    if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(sealed->public_part, sealed->public_size, &public_end,
                                       &public) != TSS2_RC_SUCCESS ||
        Tss2_MU_TPM2B_PRIVATE_Unmarshal(sealed->private_part, sealed->private_size, &private_end,
                                        &private) != TSS2_RC_SUCCESS ||
        public_end != sealed->public_size || private_end != sealed->private_size) {
        return err_set(err, ERR_INPUT, "this is nothing that a TPM sealed");
    }
    rc = Esys_Load(tpm->esys, parent, session, ESYS_TR_NONE, ESYS_TR_NONE, &private, &public, out);
    /* A blob that was changed fails in many ways: none of them is this host's fault. */
    if (rc != TSS2_RC_SUCCESS && (bare(rc) & TPM2_RC_FMT1) && (rc & TSS2_RC_LAYER_MASK) == 0) {
        rc = TPM2_RC_INTEGRITY;
    }
    return rc == TSS2_RC_SUCCESS || fail(rc, "load what the TPM sealed", err);
}

static bool take_data(TPM2B_SENSITIVE_DATA *data, struct secret **out, struct err *err)
{
    bool good = data->size > 0 ? secret_new(data->size, out, err)
                               : err_set(err, ERR_DENIED, "what the TPM sealed is empty");

    if (good) {
        memcpy(secret_bytes(*out), data->buffer, data->size);
    }
    OPENSSL_cleanse(data, sizeof(*data));
    Esys_Free(data);
    return good;
}

static bool unseal_object(struct tpm *tpm, ESYS_TR object, ESYS_TR session, struct secret **out,
                          struct err *err)
{
    TPM2B_SENSITIVE_DATA *data = NULL;
    TSS2_RC rc = Esys_Unseal(tpm->esys, object, session, ESYS_TR_NONE, ESYS_TR_NONE, &data);

    return rc == TSS2_RC_SUCCESS ? take_data(data, out, err) : fail(rc, "unseal by the TPM", err);
}

/* By a policy session where it is bound, whose conditions must hold first. */
static bool unseal_by(struct tpm *tpm, ESYS_TR parent, ESYS_TR object,
                      const struct tpm_policy *policy, struct secret **out, struct err *err)
{
    ESYS_TR session;
    bool good;

    if (!session_start(tpm, parent, is_bound(policy) ? TPM2_SE_POLICY : TPM2_SE_HMAC, &session,
                       err)) {
        return false;
    }
    good = policy_add(tpm, session, policy, err) && unseal_object(tpm, object, session, out, err);
    (void)Esys_FlushContext(tpm->esys, session);
    return good;
}

static bool load_and_unseal(struct tpm *tpm, ESYS_TR parent, const struct tpm_sealed *sealed,
                            struct secret **out, struct err *err)
{
    ESYS_TR session, object;
    bool good;

    if (!session_start(tpm, parent, TPM2_SE_HMAC, &session, err)) {
        return false;
    }
    good = load(tpm, parent, session, sealed, &object, err);
    (void)Esys_FlushContext(tpm->esys, session);
    if (!good) {
        return false;
    }
    good = unseal_by(tpm, parent, object, &sealed->policy, out, err);
    (void)Esys_FlushContext(tpm->esys, object);
    return good;
}

bool tpm_unseal(struct tpm *tpm, const struct tpm_sealed *sealed, struct secret **out,
                struct err *err)
{
    struct parent parent;
    bool good;

    if (!parent_find(tpm, sealed, &parent, err)) {
        return false;
    }
    good = load_and_unseal(tpm, parent.object, sealed, out, err);
    parent_drop(tpm, &parent);
    return good;
}
