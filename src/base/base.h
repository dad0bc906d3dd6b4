/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: what every room stands on. Errors, ownership, secrets, text, JSON, files, programs, log.
 * base knows nothing of clusters; it uses no other room.
 */
#ifndef QUOIN_BASE_BASE_H
#define QUOIN_BASE_BASE_H

#include "base/aead.h"
#include "base/aeskw.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hkdf.h"
#include "base/hmac.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/run.h"
#include "base/secret.h"
#include "base/side.h"
#include "base/span.h"
#include "base/text.h"
#include "base/uuid.h"

#endif
