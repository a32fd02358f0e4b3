/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c - sizes, symbols, broadcast. */
#include "ir/shape.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

int64_t ms_syms_get(struct ms_syms *s, const char *name)
{
    if (name && *name)
        for (uint32_t i = 0; i < s->n; i++)
            if (s->name[i] && strcmp(s->name[i], name) == 0)
                return ms_sym(i);
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 16;
        const char **grown =
            cap < UINT32_MAX / 4 ? ms_arena_array(s->arena, cap, sizeof *grown) : NULL;
        if (!grown)
            return ms_sym(s->n ? s->n - 1 : 0);
        if (s->n)
            memcpy(grown, s->name, s->n * sizeof *grown);
        s->name = grown;
        s->cap = cap;
    }
    s->name[s->n] = name && *name ? ms_arena_strdup(s->arena, name) : NULL;
    return ms_sym(s->n++);
}

struct ms_shape ms_shape_of(int rank, const int64_t *dim)
{
    struct ms_shape s = {.rank = rank};

    for (int i = 0; i < rank && i < MS_MAX_RANK; i++)
        s.dim[i] = dim[i];
    return s;
}

bool ms_shape_static(const struct ms_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0)
            return false;
    return s->rank >= 0;
}

bool ms_shape_eq(const struct ms_shape *a, const struct ms_shape *b)
{
    return a->rank == b->rank &&
           (a->rank <= 0 || memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0);
}

bool ms_shape_count(const struct ms_shape *s, size_t *n)
{
    size_t count = 1;
    bool fits = true, empty = false;

    if (!ms_shape_static(s))
        return false;
    for (int i = 0; i < s->rank; i++) {
        empty |= s->dim[i] == 0;
        fits &= ms_mul(count, (size_t)s->dim[i], &count);
    }
    *n = empty ? 0 : count;
    return empty || (fits && count <= PTRDIFF_MAX);
}

bool ms_shape_bytes(const struct ms_shape *s, enum ms_dtype t, size_t *bytes)
{
    size_t n;

    return ms_shape_count(s, &n) && ms_mul(n, ms_dtype_size(t), bytes) && *bytes <= PTRDIFF_MAX;
}

size_t ms_shape_span(const struct ms_shape *s, int from, int to)
{
    size_t n = 1;

    for (int i = from; i < to; i++)
        n *= (size_t)s->dim[i];
    return n;
}

bool ms_axis(int64_t axis, int rank, int *out)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return false;
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

/* One dim of a broadcast; false if the sizes cannot be joined. */
static bool broadcast_dim(int64_t a, int64_t b, struct ms_syms *syms, int64_t *out)
{
    if (a == b || b == 1)
        *out = a;
    else if (a == 1)
        *out = b;
    else if (ms_is_sym(a) && ms_is_sym(b))
        *out = syms ? ms_syms_fresh(syms) : a;
    else if (ms_is_sym(a))
        *out = b;
    else if (ms_is_sym(b))
        *out = a;
    else
        return false;
    return true;
}

bool ms_shape_broadcast(const struct ms_shape *a, const struct ms_shape *b, struct ms_syms *syms,
                        struct ms_shape *out)
{
    struct ms_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};

    if (a->rank < 0 || b->rank < 0) {
        *out = ms_shape_unknown();
        return true;
    }
    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        if (!broadcast_dim(ia < 0 ? 1 : a->dim[ia], ib < 0 ? 1 : b->dim[ib], syms, &r.dim[i]))
            return false;
    }
    *out = r;
    return true;
}

static int put_dim(char *dst, size_t size, int64_t d, const struct ms_syms *syms)
{
    char safe[80];

    if (!ms_is_sym(d))
        return snprintf(dst, size, "%lld", (long long)d);
    uint32_t k = ms_sym_index(d);
    const char *name = syms && k < syms->n ? syms->name[k] : NULL;
    if (!name)
        return snprintf(dst, size, "?%u", k);
    return snprintf(dst, size, "%s", ms_escape(safe, sizeof safe, name, strlen(name)));
}

char *ms_shape_text(char *dst, size_t size, const struct ms_shape *s, const struct ms_syms *syms)
{
    size_t at = 0;

    if (s->rank < 0) {
        snprintf(dst, size, "[?]");
        return dst;
    }
    at += (size_t)snprintf(dst, size, "[");
    for (int i = 0; i < s->rank && at < size; i++) {
        if (i && at < size)
            at += (size_t)snprintf(dst + at, size - at, ",");
        if (at < size)
            at += (size_t)put_dim(dst + at, size - at, s->dim[i], syms);
    }
    if (at < size)
        snprintf(dst + at, size - at, "]");
    return dst;
}
