/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.c - see broadcast.h. */
#include <string.h>

#include "kernels/broadcast.h"
#include "kernels/raw.h"

/* Stride of every dimension of `out` in a tensor of shape s; 0 where s repeats. */
static void strides_of(const struct ms_shape *s, const struct ms_shape *out, size_t *stride)
{
    size_t step = 1;

    for (int d = out->rank - 1; d >= 0; d--) {
        const int e = d - (out->rank - s->rank);
        const int64_t size = e >= 0 ? s->dim[e] : 1;

        stride[d] = size == 1 ? 0 : step;
        step *= (size_t)size;
    }
}

static bool merges(const struct ms_bcast *b, size_t (*stride)[MS_MAX_RANK], int d, size_t size)
{
    for (int k = 0; k < b->n; k++)
        if (b->stride[k][b->rank - 1] != stride[k][d] * size)
            return false;
    return true;
}

void ms_bcast_init(struct ms_bcast *b, const struct ms_shape *out, const struct ms_shape *const *in,
                   int n)
{
    size_t stride[MS_BCAST_MAX][MS_MAX_RANK];

    memset(b, 0, sizeof *b);
    b->n = n;
    for (int k = 0; k < n; k++)
        strides_of(in[k], out, stride[k]);
    for (int d = 0; d < out->rank; d++) {
        const size_t size = (size_t)out->dim[d];

        if (size == 1)
            continue;
        if (b->rank > 0 && merges(b, stride, d, size))
            b->dim[b->rank - 1] *= size;
        else
            b->dim[b->rank++] = size;
        for (int k = 0; k < n; k++)
            b->stride[k][b->rank - 1] = stride[k][d];
    }
    if (b->rank == 0)
        b->dim[b->rank++] = 1;
}

void ms_bcast_seek(const struct ms_bcast *b, struct ms_bcast_pos *p, size_t index)
{
    memset(p, 0, sizeof *p);
    for (int d = b->rank - 1; d >= 0 && b->dim[d] > 0; d--) {
        p->i[d] = index % b->dim[d];
        index /= b->dim[d];
        for (int k = 0; k < b->n; k++)
            p->off[k] += p->i[d] * b->stride[k][d];
    }
}

void ms_bcast_step(const struct ms_bcast *b, struct ms_bcast_pos *p, size_t n)
{
    int d = b->rank - 1;

    p->i[d] += n;
    for (int k = 0; k < b->n; k++)
        p->off[k] += n * b->stride[k][d];
    while (d > 0 && p->i[d] == b->dim[d]) {
        for (int k = 0; k < b->n; k++)
            p->off[k] += b->stride[k][d - 1] - b->dim[d] * b->stride[k][d];
        p->i[d--] = 0;
        p->i[d]++;
    }
}

#define PACK_ROW(type_)                                                                            \
    do {                                                                                           \
        const type_ *s = (const type_ *)x + p.off[k];                                              \
        type_ *d = (type_ *)y + done;                                                              \
        for (size_t i = 0; i < m; i++)                                                             \
            d[i] = s[i * step];                                                                    \
    } while (0)

void ms_bcast_pack(const struct ms_bcast *b, const struct ms_bcast_pos *pos, int k, void *y,
                   const void *x, size_t size, size_t n)
{
    struct ms_bcast_pos p = *pos;
    const size_t step = b->stride[k][b->rank - 1];

    for (size_t done = 0, m; done < n; done += m) {
        m = ms_bcast_row(b, &p);
        if (m > n - done)
            m = n - done;
        MS_BY_SIZE(size, PACK_ROW);
        ms_bcast_step(b, &p, m);
    }
}
