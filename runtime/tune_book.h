/* SPDX-License-Identifier: Apache-2.0 */
/* tune_book.h - what a tuner found, by layer: in memory and as a text file.
 *
 *     mindserve-tuning 1 VERSION ISA FAMILY.MODEL.STEPPING CPU
 *     KERNEL<tab>NANOSECONDS<tab>LAYER
 *
 * A file of another version or CPU is started anew, and so is one that cannot be understood. */
#ifndef MS_RUNTIME_TUNE_BOOK_H
#define MS_RUNTIME_TUNE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"

struct ms_tune_book {
    struct ms_arena arena;
    struct ms_map kernel_of; /* layer -> struct ms_tune_entry */
    int n;
    bool changed; /* since it was read or written */
};

void ms_tune_book_init(struct ms_tune_book *b);
void ms_tune_book_done(struct ms_tune_book *b);
/* Adds what the file says; false when there is none, or none for this host. */
bool ms_tune_book_read(struct ms_tune_book *b, const char *path);
/* Written aside and renamed. 0 or -errno. */
int ms_tune_book_write(struct ms_tune_book *b, const char *path);
/* The kernel of a layer; NULL = never tried. */
const char *ms_tune_book_find(const struct ms_tune_book *b, const char *layer);
/* Both are copied. A full book, or one without memory, forgets. */
void ms_tune_book_note(struct ms_tune_book *b, const char *layer, const char *kernel, int64_t ns);

#endif
