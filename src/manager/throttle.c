/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/throttle.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* As many as can fail within a minute, and some that succeed. */
#define ADDRESSES 256u

/* The attempts of the minute that began with the first of them. */
struct count {
    char network[INET6_ADDRSTRLEN];
    unsigned attempts;
    time_t began;
};

struct throttle {
    pthread_mutex_t lock;
    struct count all;
    struct count each[ADDRESSES];
};

struct throttle *throttle_new(void)
{
    struct throttle *throttle = text_room(1, sizeof(*throttle));

    pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    if (throttle) {
        pthread_mutex_destroy(&throttle->lock);
        free(throttle);
    }
}

static void network_of(const char *address, char out[INET6_ADDRSTRLEN])
{
    struct in6_addr six;

    if (inet_pton(AF_INET6, address, &six) == 1 && !IN6_IS_ADDR_V4MAPPED(&six)) {
        memset(six.s6_addr + 8, 0, 8);
        (void)inet_ntop(AF_INET6, &six, out, INET6_ADDRSTRLEN);
    } else {
        (void)snprintf(out, INET6_ADDRSTRLEN, "%s", address);
    }
}

/* The place of this network, or the one whose minute began longest ago. */
static struct count *place_of(struct throttle *throttle, const char *network)
{
    struct count *oldest = &throttle->each[0];

    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct count *count = &throttle->each[i];

        if (strcmp(count->network, network) == 0) {
            return count;
        }
        if (count->began < oldest->began) {
            oldest = count;
        }
    }
    *oldest = (struct count){0};
    memcpy(oldest->network, network, INET6_ADDRSTRLEN);
    return oldest;
}

static bool is_full(struct count *count, unsigned most, time_t now, unsigned *out_wait)
{
    if (count->attempts == 0 || now - count->began >= THROTTLE_SECONDS) {
        count->attempts = 0;
        count->began = now;
    }
    *out_wait = (unsigned)(THROTTLE_SECONDS - (now - count->began));
    return count->attempts >= most;
}

bool throttle_try(struct throttle *throttle, const char *address, time_t now, unsigned *out_wait)
{
    char network[INET6_ADDRSTRLEN] = "";

    network_of(address, network);
    pthread_mutex_lock(&throttle->lock);
    struct count *count = place_of(throttle, network);
    bool full = is_full(count, THROTTLE_ADDRESS, now, out_wait) ||
                is_full(&throttle->all, THROTTLE_ALL, now, out_wait);

    if (!full) {
        count->attempts++;
        throttle->all.attempts++;
    }
    pthread_mutex_unlock(&throttle->lock);
    return !full;
}

void throttle_forgive(struct throttle *throttle, const char *address)
{
    char network[INET6_ADDRSTRLEN] = "";

    network_of(address, network);
    pthread_mutex_lock(&throttle->lock);
    struct count *count = place_of(throttle, network);

    throttle->all.attempts -=
        count->attempts < throttle->all.attempts ? count->attempts : throttle->all.attempts;
    count->attempts = 0;
    pthread_mutex_unlock(&throttle->lock);
}
