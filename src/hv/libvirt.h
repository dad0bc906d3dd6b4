/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the libvirt backend share: its connection, its errors, its events. */
#ifndef QUOIN_HV_LIBVIRT_H
#define QUOIN_HV_LIBVIRT_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "hv/hv.h"

DROP(connection, virConnectPtr, virConnectClose);
DROP(domain, virDomainPtr, virDomainFree);
DROP(virsecret, virSecretPtr, virSecretFree);

/* What libvirt says went wrong in this thread, as our kind. False. */
bool libvirt_err(struct err *err, const char *doing);

/* The daemon's events, told by a thread that lives as long as the program. Once, before the first
 * connection. */
bool libvirt_loop_start(struct err *err);
/* Tells `changed` what happens to the VMs of the connections that it is tied to. A connection
 * with a tie must be untied before it is closed: the tie holds it open. */
struct libvirt_events;
struct libvirt_events *libvirt_events_new(hv_changed *changed, void *context);
bool libvirt_events_tie(struct libvirt_events *events, virConnectPtr connection, int *out_tie,
                        struct err *err);
void libvirt_events_untie(virConnectPtr connection, int tie);
/* After it returns nothing is told any more. */
void libvirt_events_end(struct libvirt_events *events);

/* Hands libvirt the keys of a domain that passed domain_xml. ERR_INPUT: a key without its shape. */
bool libvirt_secrets_set(virConnectPtr connection, const struct domain *domain,
                         const struct hv_keys *keys, struct err *err);
/* Makes libvirt forget all keys of this VM; none there succeeds. */
bool libvirt_secrets_forget(virConnectPtr connection, const char *uuid, struct err *err);

/* libvirt_open.c: a connection to the daemon of that URI, or ERR_AWAY when it did not answer within
 * so long since the attempt began; `*attempt` (NULL at first) is then the one under way, for the
 * next call. It is NULL again once it is over. */
struct libvirt_attempt;
bool libvirt_open_in_time(const char *uri, int64_t milliseconds, struct libvirt_attempt **attempt,
                          virConnectPtr *out, struct err *err);
/* Nobody waits for it any more. NULL is fine. */
void libvirt_attempt_drop(struct libvirt_attempt *attempt);
DROP(attempt, struct libvirt_attempt *, libvirt_attempt_drop);
/* For so long a daemon may take, ms: one that was just started looks at its machines first. */
#define LIBVIRT_OPEN_MS 15000

/* libvirt.c: a new reference to the connection; the VM, or NULL when there is no such one. */
bool libvirt_connection(struct hv *hv, virConnectPtr *out, struct err *err);
bool libvirt_find(virConnectPtr connection, const char *uuid, virDomainPtr *out, struct err *err);

/* libvirt_monitor.c: QEMU's own monitor (QMP) by way of libvirt. `arguments` is taken, NULL: none.
 * `out` (may be NULL) is what it returned. ERR_ABSENT: QEMU knows no such thing. */
bool libvirt_monitor(virDomainPtr domain, const char *command, json_t *arguments, json_t **out,
                     struct err *err);
/* Hands QEMU a secret under `id`, encrypted under the key that libvirt shares with this QEMU: no
 * secret is in what is said. There already: replaced. */
bool libvirt_monitor_secret(virDomainPtr domain, const char *id, const struct secret *secret,
                            struct err *err);
/* The storage user's key as bytes, out of base64. ERR_INPUT. */
bool libvirt_storage_bytes(const struct secret *text, struct secret **out, struct err *err);
extern const struct hv_copies libvirt_copies;
extern const struct hv_moves libvirt_moves;
/* libvirt.c: libvirt's folder of keys lies in memory. ERR_SYSTEM, with a remedy. */
bool libvirt_check_host(struct err *err);
/* What is written to the folder comes to lie on no disk. */
bool libvirt_in_memory(const char *folder);

#endif
