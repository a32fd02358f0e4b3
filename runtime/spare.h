/* SPDX-License-Identifier: Apache-2.0 */
/* spare.h - the pages of large outputs, kept for the next ones.
 *
 * An output outlives its run, so the slab cannot hold it, and pages that are new to the process
 * cost more than most kernels do: the system clears them first. A few mappings that outputs left
 * behind are therefore kept, booked as RUNS, for outputs of the same size. They go when a model
 * does, when somebody needs the budget, and when nobody wanted them for MS_SPARE_NS. */
#ifndef MS_RUNTIME_SPARE_H
#define MS_RUNTIME_SPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS_SPARE_NS INT64_C(1000000000)

struct ms_account;
struct ms_spares;

/* For an account without parent, which owns it (a sixteenth of its budget is the most that is
 * kept). NULL when memory is out. */
struct ms_spares *ms_spares_new(struct ms_account *account);
void ms_spares_free(struct ms_spares *s); /* takes NULL */

/* All take NULL for "nothing is kept". */

/* As ms_aligned_alloc, where bytes are many from what is kept. The caller has booked them. */
void *ms_spares_alloc(struct ms_spares *s, size_t bytes);
/* As ms_aligned_free; the caller's booking is given back before. */
void ms_spares_give(struct ms_spares *s, void *data, size_t bytes);
/* Frees what lies there longer than since `before` (INT64_MAX: all); how many bytes. */
size_t ms_spares_drop(struct ms_spares *s, int64_t before);
/* Frees what is old; when to ask again: MS_NEVER if nothing is kept or handed out. */
int64_t ms_spares_age(struct ms_spares *s, int64_t now);
/* Keeps nothing from now on: there is nobody left to ask for its age. */
void ms_spares_close(struct ms_spares *s);

#endif
