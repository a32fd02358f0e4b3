/* SPDX-License-Identifier: Apache-2.0 */
/* shed.h - keeps mapped weights out of memory that were read once and will not be read again.
 *
 * Packing reads each weight and writes a copy; without this a load would hold both. Letting pages
 * of a file mapping go is harmless: a later read brings them back, mostly from the page cache. */
#ifndef MS_RUNTIME_SHED_H
#define MS_RUNTIME_SHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_shed {
    uintptr_t file, file_end; /* whole pages that are a read-only mapping of a file; else empty */
    uintptr_t from, to;       /* what is being read right now */
    pthread_t thread;         /* lets go of it again and again meanwhile */
    bool running;
    atomic_bool stop;
};

/* For the bytes of a model. Where they are no mapping of a file (a buffer, an archive), all else
 * does nothing. */
void ms_shed_init(struct ms_shed *s, const void *data, size_t len);
/* Lets go of the pages in a range. */
void ms_shed_now(const struct ms_shed *s, const void *data, size_t len);
/* While a big range is read in one go, lets go of what was read, every few milliseconds. One range
 * at a time: further ones are left alone until the end. */
void ms_shed_begin(struct ms_shed *s, const void *data, size_t len);
void ms_shed_end(struct ms_shed *s);

#endif
