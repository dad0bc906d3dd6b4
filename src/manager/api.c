/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api.h"

#include "manager/answer.h"

/* Who has no certificate: people, and programs that sign in as they do. */
#define PEOPLE ROLE_ANONYMOUS
/* A user, and a password of at most 1 KiB, each byte written as \u0000. */
#define SESSION_BYTES (8u * 1024u)
/* The largest item has three short texts. */
#define ITEM_BYTES (16u * 1024u)

const struct route api_routes[] = {
    {"GET", "/", PEOPLE, 0, answer_page},
    {"GET", "/page/{file}", PEOPLE, 0, answer_page},
    {"GET", "/healthz", PEOPLE, 0, answer_health},
    {"GET", "/metrics", PEOPLE, 0, answer_metrics},
    {"GET", "/api/v1/openapi.json", PEOPLE, 0, answer_openapi},
    {"GET", "/api/v1/session", PEOPLE, 0, answer_session},
    {"POST", "/api/v1/session", PEOPLE, SESSION_BYTES, answer_sign_in},
    {"DELETE", "/api/v1/session", PEOPLE, 0, answer_sign_out},
    {"GET", "/api/v1/health", PEOPLE, 0, answer_findings},
    {"POST", "/api/v1/key-providers/{item}/rotate", PEOPLE, 0, answer_rotate},
    {"GET", "/api/v1/{collection}", PEOPLE, 0, answer_list},
    {"POST", "/api/v1/{collection}", PEOPLE, ITEM_BYTES, answer_create},
    {"GET", "/api/v1/{collection}/{item}", PEOPLE, 0, answer_item},
    {"DELETE", "/api/v1/{collection}/{item}", PEOPLE, 0, answer_remove},
};
const size_t api_route_count = COUNT_OF(api_routes);

/* The page needs its own files and its own API, and nothing else from anywhere. */
const char *const api_headers[] = {
    "Content-Security-Policy",
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "Strict-Transport-Security",
    "max-age=31536000",
    "X-Content-Type-Options",
    "nosniff",
    "X-Frame-Options",
    "DENY",
    "Referrer-Policy",
    "no-referrer",
    "Permissions-Policy",
    "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy",
    "same-origin",
    "Cross-Origin-Resource-Policy",
    "same-origin",
    "Cache-Control",
    "no-store",
    NULL,
};
