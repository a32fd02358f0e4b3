/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - see window.h. */
#include "kernels/window.h"

#include <string.h>

enum { MAX_SIZE_BITS = 40 }; /* of an axis: no input that fits in memory is longer */

/* *list: its numbers, NULL = not given. */
static ms_code numbers(const struct ms_node *n, const char *name, int want, const int64_t **list,
                       struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, name);

    *list = a && a->type == MS_ATTR_INTS ? a->ints : NULL;
    if (a && a->n != want)
        return ms_fail(err, MS_INVALID_ARGUMENT, "attribute %s has %d elements, %d are needed",
                       name, a->n, want);
    return MS_OK;
}

/* SAME: as many windows as steps; odd padding goes behind (UPPER) or before (LOWER). */
static void same_axis(struct ms_window *w, int a, bool upper, struct ms_syms *syms)
{
    int64_t in = w->in[a], total = 0;

    w->pb[a] = w->pe[a] = 0;
    if (ms_is_sym(in)) {
        w->out[a] = w->s[a] == 1 ? in : ms_syms_fresh(syms);
        return;
    }
    w->out[a] = (in + w->s[a] - 1) / w->s[a];
    if (!ms_is_sym(w->k[a]))
        total = (w->out[a] - 1) * w->s[a] + (w->k[a] - 1) * w->d[a] + 1 - in;
    if (total > 0) {
        w->pb[a] = upper ? total / 2 : total - total / 2;
        w->pe[a] = total - w->pb[a];
    }
}

static ms_code plain_axis(struct ms_window *w, int a, bool ceil, struct ms_syms *syms,
                          struct ms_err *err)
{
    int64_t in = w->in[a], s = w->s[a];

    if (ms_is_sym(w->k[a])) {
        w->out[a] = ms_syms_fresh(syms);
        return MS_OK;
    }
    int64_t reach = (w->k[a] - 1) * w->d[a] + 1, pads = w->pb[a] + w->pe[a];
    if (ms_is_sym(in)) {
        w->out[a] = s == 1 && pads == reach - 1 ? in : ms_syms_fresh(syms);
        return MS_OK;
    }
    int64_t room = in + pads - reach;
    if (room < 0)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "the window spans %lld elements of axis %d, which has %lld with padding",
                       (long long)reach, a - (3 - w->rank), (long long)(in + pads));
    int64_t out = room / s + 1;
    /* a window that begins in the padding behind does not count */
    if (ceil && room % s != 0 && out * s < in + w->pb[a])
        out++;
    w->out[a] = out;
    return MS_OK;
}

ms_code ms_window_init(struct ms_window *w, const struct ms_node *n, int rank,
                       const int64_t *kernel, const int64_t *in, bool ceil, struct ms_syms *syms,
                       struct ms_err *err)
{
    const char *pad = ms_attr_str(n, "auto_pad");
    bool same = strncmp(pad, "SAME", 4) == 0, valid = strcmp(pad, "VALID") == 0;
    const int64_t *steps, *apart, *pads, *size;
    int lead = 3 - rank;

    if (rank < 1 || rank > 3)
        return ms_fail(err, MS_UNIMPLEMENTED, "%d spatial axes, 1 to 3 are supported", rank);
    MS_TRY(numbers(n, "strides", rank, &steps, err));
    MS_TRY(numbers(n, "dilations", rank, &apart, err));
    MS_TRY(numbers(n, "pads", 2 * rank, &pads, err));
    MS_TRY(numbers(n, "kernel_shape", rank, &size, err));
    w->rank = rank;
    for (int a = 0; a < 3; a++) {
        int i = a - lead;
        w->k[a] = i < 0 ? 1 : kernel[i];
        w->in[a] = i < 0 ? 1 : in[i];
        w->s[a] = i < 0 || !steps ? 1 : steps[i];
        w->d[a] = i < 0 || !apart ? 1 : apart[i];
        w->pb[a] = i < 0 || valid || !pads ? 0 : pads[i];
        w->pe[a] = i < 0 || valid || !pads ? 0 : pads[i + rank];
        if (!ms_is_sym(w->k[a]) && (w->k[a] < 1 || w->k[a] > MS_WINDOW_MAX))
            return ms_fail(err, MS_INVALID_ARGUMENT, "a window of %lld elements",
                           (long long)w->k[a]);
        if (!ms_is_sym(w->in[a]) && w->in[a] >> MAX_SIZE_BITS)
            return ms_fail(err, MS_INVALID_ARGUMENT, "axis %d is too long", i);
        if (same && i >= 0)
            same_axis(w, a, strcmp(pad, "SAME_UPPER") == 0, syms);
        else
            MS_TRY(plain_axis(w, a, ceil, syms, err));
    }
    return MS_OK;
}

void ms_window_of(struct ms_window *w, const struct ms_node *n, const struct ms_shape *x,
                  const int64_t *kernel, bool ceil)
{
    struct ms_err err; /* inference has accepted these numbers */

    if (ms_window_init(w, n, x->rank - 2, kernel, x->dim + 2, ceil, NULL, &err) != MS_OK)
        memset(w, 0, sizeof *w);
}

/* Division takes longer than all the rest, and is seldom needed. */
void ms_window_taps(const struct ms_window *w, int a, int64_t o, int64_t *from, int64_t *to)
{
    int64_t start = o * w->s[a] - w->pb[a], d = w->d[a];
    int64_t before = start < 0 ? -start : 0, room = w->in[a] - start > 0 ? w->in[a] - start : 0;
    int64_t f = d == 1 ? before : (before + d - 1) / d;
    int64_t t = d == 1 ? room : room >= (w->k[a] - 1) * d + 1 ? w->k[a] : (room + d - 1) / d;

    if (t > w->k[a])
        t = w->k[a];
    *from = f;
    *to = t > f ? t : f;
}

void ms_window_inside(const struct ms_window *w, int a, int64_t *from, int64_t *end)
{
    int64_t last = w->in[a] - 1 - (w->k[a] - 1) * w->d[a] + w->pb[a];
    int64_t s = w->s[a], f = s == 1 ? w->pb[a] : (w->pb[a] + s - 1) / s;
    int64_t e = last < 0 ? 0 : (s == 1 ? last : last / s) + 1;

    e = e > w->out[a] ? w->out[a] : e;
    f = f > w->out[a] ? w->out[a] : f;
    *from = f;
    *end = e < f ? f : e;
}
