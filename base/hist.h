/* SPDX-License-Identifier: Apache-2.0 */
/* hist.h - histograms that many threads add to and one reads. */
#ifndef MS_BASE_HIST_H
#define MS_BASE_HIST_H

#include <stdatomic.h>
#include <stdint.h>

#define MS_HIST_MAX 20

struct ms_hist {
    const int64_t *bounds; /* upper bounds, ascending; the last bucket is unbounded */
    int n;                 /* bounds */
    atomic_ullong count[MS_HIST_MAX + 1]; /* not cumulative */
    atomic_ullong sum;
};

/* 50 us ... 10 s in ns: 50 100 200 500 us, 1 2 5 10 20 50 100 200 500 ms, 1 2 5 10 s. */
void ms_hist_init_time(struct ms_hist *h);
/* 1 2 4 ... 1024 items. */
void ms_hist_init_size(struct ms_hist *h);
void ms_hist_add(struct ms_hist *h, int64_t v);
/* Value below which q (0..1) of the entries lie, interpolated; 0 when empty. */
double ms_hist_quantile(const struct ms_hist *h, double q);

#endif
