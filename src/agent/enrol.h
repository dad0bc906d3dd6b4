/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This host's place under the cluster's CA (agent/ca.h). Its own private key is made here and rests
 * sealed to the host; it is opened into locked memory for the moment of its use. The first host
 * signs for itself; every further one gives out a request, and takes a certificate only when it is
 * for its own name and key, of this cluster, and by the CA that came with it.
 */
#ifndef QUOIN_AGENT_ENROL_H
#define QUOIN_AGENT_ENROL_H

#include "agent/agent.h"

/* Certificates of hosts and managers; expiry is a finding weeks ahead. */
#define PEER_DAYS 825u

/* The CA's certificate; ERR_ABSENT before ca.make. The caller frees. */
bool enrol_ca(const struct agent *agent, char **out_pem, struct err *err);
/* This host's own; ERR_ABSENT before agent.enrol. The caller frees. */
bool enrol_certificate(const struct agent *agent, char **out_pem, struct err *err);
/* This host's private key. ERR_ABSENT before agent.request or agent.enrol. */
bool enrol_key(const struct agent *agent, struct secret **out, struct err *err);
/* A fresh key, and a certificate of the cluster's CA for it, for a manager; under `work`. */
bool enrol_manager(struct agent *agent, const char *name, const char *hostname, const char *address,
                   struct secret **out_key, char **out_certificate, struct err *err);
/* Opens the mutual TLS door if this host is enrolled; nothing otherwise. */
bool enrol_serve(struct agent *agent, struct err *err);

#endif
