/* SPDX-License-Identifier: Apache-2.0 */
/* conv_price.c - what a convolution would cost with each algorithm, to choose one a layer.
 *
 *     cycles = products / rate + bytes of weights / 10 + bytes of intermediates / 48
 *
 * The rate is one or two vectors of multiply-adds a cycle. Weights come from memory, once a call: a
 * network's do not stay in the cache, or only in one shared with strangers. A core gets 5 to 9
 * bytes a cycle from there, about half of it behind the products. Intermediates are written and
 * read in L2.
 *
 * Only the order of prices matters. They depend on what CPUID tells and on nothing that is measured
 * at start: algorithms round differently, and a model should give the same bits after each start.
 * Sizes that are not known at load count as 32, a batch that may vary as one: the choice is made
 * once, and a row gets the same bits in every batch. A batch that the model fixes counts. */
#include "base/cpu.h"
#include "kernels/conv.h"

enum { WEIGHT_BYTES = 10, FILTER_BYTES = 6, PASSING_BYTES = 48 }; /* a cycle */

struct sizes {
    double ic, oc, h, w; /* channels padded to blocks; outputs */
    double n;            /* items, if the model fixes them */
    double rate;         /* products a cycle */
};

static double known(int64_t d)
{
    return d > 0 ? (double)d : 32;
}

static struct sizes sizes_of(const struct ms_prep *p, int lanes)
{
    const struct ms_shape *w = &p->in[1].shape, *y = &p->out[0].shape;
    bool twice = lanes < 16 || !ms_cpu()->split512;
    struct sizes s = {.rate = twice ? 2 * lanes : lanes, .h = 1, .w = known(y->dim[y->rank - 1])};

    if (y->rank == 4)
        s.h = known(y->dim[2]);
    s.n = y->dim[0] > 0 ? (double)y->dim[0] : 1;
    s.ic = (double)w->dim[1];
    s.oc = (double)((w->dim[0] + lanes - 1) / lanes * lanes);
    return s;
}

static double direct(const struct ms_prep *p, int lanes)
{
    const struct ms_shape *w = &p->in[1].shape;
    const struct sizes s = sizes_of(p, lanes);
    double taps = (double)ms_shape_span(w, 2, w->rank), products = s.ic * s.oc * taps;

    return products * s.n * s.h * s.w / s.rate + products * sizeof(float) / WEIGHT_BYTES;
}

/* Tiles of m x m outputs. */
static double winograd(const struct ms_prep *p, int lanes, int64_t m)
{
    const struct sizes s = sizes_of(p, lanes);
    double nn = (double)((m + 2) * (m + 2)), filters = nn * s.ic * s.oc;
    double tiles = s.n * (double)((((int64_t)s.h + m - 1) / m) * (((int64_t)s.w + m - 1) / m));

    return filters * tiles / s.rate + filters * sizeof(float) / WEIGHT_BYTES +
           2 * nn * tiles * (s.ic + s.oc) * sizeof(float) / PASSING_BYTES;
}

/* Tiles of 16 x 16 inputs; about 3000 cycles take one of a block of channels to its frequencies or
 * back. With few products for each number of a filter, memory has less to hide behind. */
static double fft(const struct ms_prep *p, int lanes)
{
    const struct ms_shape *w = &p->in[1].shape;
    const struct sizes s = sizes_of(p, lanes);
    const int64_t h = 17 - w->dim[2], v = 17 - w->dim[3];
    double tiles = s.n * (double)((((int64_t)s.h + h - 1) / h) * (((int64_t)s.w + v - 1) / v));
    double filters = 4 * 144 * s.ic * s.oc, passing = 2 * 144 * tiles * (s.ic + s.oc);

    return filters * tiles / s.rate + filters * sizeof(float) / FILTER_BYTES +
           2 * passing * sizeof(float) / PASSING_BYTES + 3000 * tiles * (s.ic + s.oc) / lanes;
}

double ms_conv_price_fft_avx512(const struct ms_prep *p)
{
    return fft(p, 16);
}

double ms_conv_price_fft_avx2(const struct ms_prep *p)
{
    return fft(p, 8);
}

/* Not below direct convolution, which does the same sums on panels that stay in L2: it won on
 * nothing but images a few pixels wide. There to be tried by measurement. */
double ms_conv_price_indirect_avx512(const struct ms_prep *p)
{
    return 2 * direct(p, 16);
}

double ms_conv_price_indirect_avx2(const struct ms_prep *p)
{
    return 2 * direct(p, 8);
}

double ms_conv_price_direct_avx512(const struct ms_prep *p)
{
    return direct(p, 16);
}

double ms_conv_price_direct_avx2(const struct ms_prep *p)
{
    return direct(p, 8);
}

double ms_conv_price_winograd4_avx512(const struct ms_prep *p)
{
    return winograd(p, 16, 4);
}

double ms_conv_price_winograd4_avx2(const struct ms_prep *p)
{
    return winograd(p, 8, 4);
}

double ms_conv_price_winograd2_avx512(const struct ms_prep *p)
{
    return winograd(p, 16, 2);
}

double ms_conv_price_winograd2_avx2(const struct ms_prep *p)
{
    return winograd(p, 8, 2);
}
