/* SPDX-License-Identifier: Apache-2.0 */
/* shape.h - dimensions, some of which have only a name.
 *
 * A dimension is a size (>= 0) or a symbol: INT64_MIN + k stands for the k-th name of the model's
 * symbol table. Equal symbols are equal sizes in every run; different symbols may or may not
 * differ. Anything that inference cannot tell gets a fresh symbol. The same encoding serves the
 * contents of small integer tensors (Shape -> Gather -> Concat -> Reshape), where negative numbers
 * are ordinary. */
#ifndef MS_IR_SHAPE_H
#define MS_IR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "ir/dtype.h"

#define MS_MAX_RANK 8
/* No dim is larger: far beyond any tensor, and sums of a few stay exact in every shape rule. */
#define MS_MAX_DIM (INT64_C(1) << 40)

struct ms_shape {
    int rank; /* -1: not even the rank is known */
    int64_t dim[MS_MAX_RANK];
};

#define MS_SYM_SPAN (INT64_C(1) << 32)
/* The least number that is no symbol. Contents below it (exporters write INT64_MIN + 1 for "to the
 * very start") are taken as this number, and never written back. */
#define MS_INT_FLOOR (INT64_MIN + MS_SYM_SPAN)
static inline bool ms_is_sym(int64_t d)
{
    return d < INT64_MIN + MS_SYM_SPAN;
}
static inline int64_t ms_sym(uint32_t k)
{
    return INT64_MIN + (int64_t)k;
}
static inline uint32_t ms_sym_index(int64_t d)
{
    return (uint32_t)(d - INT64_MIN);
}

/* The symbols of a model; shared by its graph and sub-graphs. */
struct ms_syms {
    struct ms_arena *arena;
    const char **name; /* NULL for fresh ones; printed as s0, s1, ... */
    uint32_t n, cap;
};

/* A symbol for a name (the same name gives the same symbol; NULL or "" a fresh one each time). When
 * memory is out, returns the last symbol that exists, which is only ever less precise. */
int64_t ms_syms_get(struct ms_syms *s, const char *name);
static inline int64_t ms_syms_fresh(struct ms_syms *s)
{
    return ms_syms_get(s, NULL);
}

struct ms_shape ms_shape_of(int rank, const int64_t *dim);
#define ms_shape_make(...)                                                                         \
    ms_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
static inline struct ms_shape ms_shape_scalar(void)
{
    return (struct ms_shape){0};
}
static inline struct ms_shape ms_shape_unknown(void)
{
    return (struct ms_shape){.rank = -1};
}
bool ms_shape_static(const struct ms_shape *s); /* rank known, every dim a size */
bool ms_shape_eq(const struct ms_shape *a, const struct ms_shape *b);

/* Number of elements of a static shape, and its bytes; false on overflow or if not static. The one
 * place where sizes are computed from numbers that came from outside. */
bool ms_shape_count(const struct ms_shape *s, size_t *n);
bool ms_shape_bytes(const struct ms_shape *s, enum ms_dtype t, size_t *bytes);

/* Product of dims [from, to) of a static shape that passed ms_shape_count. */
size_t ms_shape_span(const struct ms_shape *s, int from, int to);

/* Makes axis in [-rank, rank) non-negative; false if it is outside. */
bool ms_axis(int64_t axis, int rank, int *out);

/* Numpy broadcast of two shapes, symbols included (a symbol against 1 gives the symbol, against a
 * size n > 1 gives n, against another symbol a fresh one). False if they cannot be. */
bool ms_shape_broadcast(const struct ms_shape *a, const struct ms_shape *b, struct ms_syms *syms,
                        struct ms_shape *out);

/* "[1,3,N,224]", "[]", "[?]" for unknown rank; syms may be NULL. At most size bytes. Returns dst.
 */
char *ms_shape_text(char *dst, size_t size, const struct ms_shape *s, const struct ms_syms *syms);

#endif
