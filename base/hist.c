/* SPDX-License-Identifier: Apache-2.0 */
/* hist.c - histograms with fixed bounds. */
#include "base/hist.h"

#include <stddef.h>

#include "base/clock.h"

static const int64_t time_bounds[] = {
    50 * MS_US,  100 * MS_US, 200 * MS_US, 500 * MS_US, 1 * MS_MS,   2 * MS_MS,
    5 * MS_MS,   10 * MS_MS,  20 * MS_MS,  50 * MS_MS,  100 * MS_MS, 200 * MS_MS,
    500 * MS_MS, 1 * MS_SEC,  2 * MS_SEC,  5 * MS_SEC,  10 * MS_SEC,
};
static const int64_t size_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

static void init(struct ms_hist *h, const int64_t *bounds, size_t n)
{
    h->bounds = bounds;
    h->n = (int)n;
    for (int i = 0; i <= MS_HIST_MAX; i++)
        atomic_init(&h->count[i], 0);
    atomic_init(&h->sum, 0);
}

void ms_hist_init_time(struct ms_hist *h)
{
    init(h, time_bounds, sizeof time_bounds / sizeof *time_bounds);
}

void ms_hist_init_size(struct ms_hist *h)
{
    init(h, size_bounds, sizeof size_bounds / sizeof *size_bounds);
}

void ms_hist_add(struct ms_hist *h, int64_t v)
{
    int i = 0;

    if (v < 0)
        v = 0;
    while (i < h->n && v > h->bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->count[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, (unsigned long long)v, memory_order_relaxed);
}

double ms_hist_quantile(const struct ms_hist *h, double q)
{
    unsigned long long total = 0, below = 0;

    for (int i = 0; i <= h->n; i++)
        total += atomic_load_explicit(&h->count[i], memory_order_relaxed);
    if (total == 0)
        return 0;
    double want = q * (double)total;
    for (int i = 0; i < h->n; i++) {
        unsigned long long here = atomic_load_explicit(&h->count[i], memory_order_relaxed);
        if (here && (double)(below + here) >= want) {
            double low = i ? (double)h->bounds[i - 1] : 0;
            double share = (want - (double)below) / (double)here;
            return low + ((double)h->bounds[i] - low) * share;
        }
        below += here;
    }
    return (double)h->bounds[h->n - 1];
}
