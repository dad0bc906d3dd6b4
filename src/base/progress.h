/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long work tells how far it is. `percent` is 0 … 100 of this piece of work, `what` a short
 * present-tense phrase. A NULL progress is silence. Called from any thread of the work; must not
 * block long.
 */
#ifndef QUOIN_BASE_PROGRESS_H
#define QUOIN_BASE_PROGRESS_H

struct progress {
    void (*tell)(void *context, unsigned percent, const char *what);
    void *context;
};

__attribute__((unused)) static inline void progress_tell(const struct progress *progress,
                                                         unsigned percent, const char *what)
{
    if (progress && progress->tell) {
        progress->tell(progress->context, percent, what);
    }
}

#endif
