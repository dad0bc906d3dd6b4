/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's identity document (docs/manager-identity.md): what makes one manager this manager.
 * It holds the manager's private key, so it is put together in locked memory and goes from there
 * into the pour of the identity disk, and nowhere else.
 */
#ifndef QUOIN_AGENT_IDENTITY_H
#define QUOIN_AGENT_IDENTITY_H

#include "agent/vm.h"

/* A fresh key and certificate each time: only the one that is poured counts; under `work`. */
bool identity_make(struct vm *vm, struct secret **out_document, struct err *err);

#endif
