/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.h - dtype, layout, shape and bytes: an owner of memory or a view into another's. */
#ifndef MS_IR_TENSOR_H
#define MS_IR_TENSOR_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "ir/shape.h"

/* How the bytes lie. Shapes are always the logical ones (N, C, H, W). */
enum ms_layout {
    MS_PLAIN = 0,    /* row major in the order of the dims */
    MS_NCHW8C = 8,   /* [N][ceil(C/8)][H][W][8], channels beyond C are zero (AVX2) */
    MS_NCHW16C = 16, /* [N][ceil(C/16)][H][W][16] (AVX-512) */
    /* What the graph writes for "blocked", whatever the host; ms_layout_host tells its width. */
    MS_BLOCKED_LAYOUT = MS_NCHW16C,
};

/* The layout that a value of the graph has in memory here: blocked is 16 channels wide with
 * AVX-512, 8 with AVX2, and plain without vectors, where only the plain kernels can run. */
enum ms_layout ms_layout_host(enum ms_layout l);
/* Channels in memory of a tensor of rank >= 2: padding included. */
static inline size_t ms_layout_channels(enum ms_layout l, int64_t channels)
{
    return l == MS_PLAIN ? (size_t)channels : ((size_t)channels + l - 1) / l * l;
}

/* Contents that are made when somebody needs them: element i is from's times scale[i / per]. */
struct ms_recipe {
    const struct ms_tensor *from; /* F32, plain, with data */
    const double *scale;
    size_t per;
};

struct ms_tensor {
    enum ms_dtype dtype;
    enum ms_layout layout;
    struct ms_shape shape; /* static */
    size_t bytes;          /* of data; padding of blocked layouts included */
    void *data; /* 64-byte aligned unless a view; NULL only when bytes is 0 or there is a recipe */
    const struct ms_recipe *recipe; /* of constants; borrowed. NULL: the data is all there is */
    atomic_int refs;
    void (*release)(struct ms_tensor *t); /* frees data and the struct; NULL: nothing to free */
    void *owner;                          /* of release */
};

/* Bytes of a tensor in a layout; false on overflow. MS_PLAIN for any rank; blocked ones for rank
 * >= 3. */
bool ms_tensor_size(enum ms_dtype t, enum ms_layout layout, const struct ms_shape *s,
                    size_t *bytes);

/* A new owner with one reference, contents undefined (MS_STRING: zeroed); NULL when memory is out
 * or the size overflows. */
struct ms_tensor *ms_tensor_new(enum ms_dtype t, const struct ms_shape *s);
/* The same in a layout; padding is undefined like the rest. */
struct ms_tensor *ms_tensor_new_as(enum ms_dtype t, enum ms_layout l, const struct ms_shape *s);
/* One without data, whose contents are those of a recipe that outlives it; F32. */
struct ms_tensor *ms_tensor_new_made(const struct ms_shape *s, const struct ms_recipe *r);
/* Writes what the tensor's recipe says to t->bytes bytes. */
void ms_tensor_make(const struct ms_tensor *t, void *to);
/* A struct in the caller's hands that borrows data (plain layout); bytes computed. Never unref'd to
 * zero by the library. Returns false if the size overflows. */
bool ms_tensor_borrow(struct ms_tensor *t, enum ms_dtype dtype, const struct ms_shape *s,
                      const void *data);
struct ms_tensor *ms_tensor_ref(struct ms_tensor *t);
void ms_tensor_unref(struct ms_tensor *t); /* takes NULL */

static inline size_t ms_tensor_count(const struct ms_tensor *t)
{
    return ms_shape_span(&t->shape, 0, t->shape.rank);
}

/* Element i of a plain integer or bool tensor as int64 (floats are truncated, NaN is 0). */
int64_t ms_tensor_i64(const struct ms_tensor *t, size_t i);
double ms_tensor_f64(const struct ms_tensor *t, size_t i);

/* dtype, shape and bytes equal? */
bool ms_tensor_eq(const struct ms_tensor *a, const struct ms_tensor *b);

#endif
