/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster's CA. Its private key is made on the first host and rests only in an envelope under
 * the provider's KEK: in a file of that host, and once there is a datastore as the object
 * CA_OBJECT there, so that any host that has the keys can sign when the first one is gone. It is
 * opened into locked memory for the moment of its use. Called under `work`.
 */
#ifndef QUOIN_AGENT_CA_H
#define QUOIN_AGENT_CA_H

#include "agent/agent.h"

/* Ten years: as long as a cluster lives. Nothing renews a CA by itself. */
#define CA_DAYS   3650u
#define CA_OBJECT "cluster.ca"

/* The envelope's JSON: this host's file, else the object. The caller frees. ERR_ABSENT: neither. */
bool ca_envelope_read(struct agent *agent, char **out, struct err *err);
/* Replaces it in both places (after a rewrap): the object first. */
bool ca_envelope_write(struct agent *agent, const char *text, struct err *err);
/* The object alone. ERR_ABSENT: there is none, or no datastore. */
bool ca_object_read(struct agent *agent, char **out, struct err *err);
/* The private key, from the file's envelope or the object's. */
bool ca_open(struct agent *agent, struct secret **out, struct err *err);
/* The private key, wrapped anew under the KEK that wraps now: what its envelope was under is gone.
 */
bool ca_rewrap(struct agent *agent, const struct secret *secret, struct err *err);
/* The file becomes the object, unless there is one. Nothing to do without the file. */
bool ca_publish(struct agent *agent, bool *out_changed, struct err *err);

/* A certificate for a key of ours. */
bool ca_certify(struct agent *agent, const struct secret *subject,
                const struct certificate_wish *wish, char **out, struct err *err);
/* A host's, for the key in a request that names it. ERR_DENIED: the request is of another name;
 * ERR_INPUT: not signed by its own key, another kind of key, or no name of a host. */
bool ca_sign_host(struct agent *agent, const char *request, const char *name, const char *address,
                  char **out, struct err *err);

#endif
