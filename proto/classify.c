/* SPDX-License-Identifier: Apache-2.0 */
/* classify.c - the classification extension: the k best scores of each row, as text.
 *
 * A row is everything behind the first axis of a tensor of two axes or more, or the whole of a
 * smaller one. Text "score:index", best first; equal scores in the order of their index; NaN never
 * beats a number. A selection by insertion: k is small. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/predict.h"

static bool better(double a, double b)
{
    return a > b || (isnan(b) && !isnan(a));
}

/* Indices of the k best of n elements from `first` on, into best. */
static void select_best(const struct ms_tensor *t, size_t first, size_t n, size_t k, size_t *best)
{
    size_t have = 0;

    for (size_t i = 0; i < n; i++) {
        double v = ms_tensor_f64(t, first + i);
        size_t at = have;

        if (have == k && !better(v, ms_tensor_f64(t, first + best[k - 1])))
            continue;
        if (have < k)
            have++;
        else
            at = k - 1;
        while (at > 0 && better(v, ms_tensor_f64(t, first + best[at - 1]))) {
            best[at] = best[at - 1];
            at--;
        }
        best[at] = i;
    }
}

static char *class_text(struct ms_arena *a, const struct ms_req_result *r, size_t at, size_t class)
{
    const struct ms_tensor *t = r->tensor;
    const bool labelled = class < (size_t)r->n_labels;
    const char *colon = labelled ? ":" : "", *label = labelled ? r->labels[class] : "";

    if (ms_dtype_kind(t->dtype) == MS_KIND_FLOAT)
        return ms_arena_printf(a, "%f:%zu%s%s", ms_tensor_f64(t, at), class, colon, label);
    return ms_arena_printf(a, "%lld:%zu%s%s", (long long)ms_tensor_i64(t, at), class, colon, label);
}

static ms_code fill(struct ms_predict *p, const struct ms_req_result *r, size_t rows, size_t k,
                    struct ms_bytes *text, struct ms_err *err)
{
    const struct ms_tensor *t = r->tensor;
    size_t n = rows ? ms_tensor_count(t) / rows : 0;
    size_t *best = ms_arena_array(p->arena, k + 1, sizeof *best);

    if (!best)
        return ms_fail_oom(err, "classification", k * sizeof *best);
    for (size_t row = 0; row < rows; row++) {
        select_best(t, row * n, n, k, best);
        for (size_t i = 0; i < k; i++) {
            char *s = class_text(p->arena, r, row * n + best[i], best[i]);
            if (!s)
                return ms_fail_oom(err, "classification", 64);
            text[row * k + i] = ms_bytes(s, strlen(s));
        }
    }
    return MS_OK;
}

ms_code ms_predict_classify(struct ms_predict *p, const struct ms_req_result *r, int k,
                            struct ms_tensor **out, struct ms_err *err)
{
    const struct ms_tensor *t = r->tensor;
    bool batched = t->shape.rank >= 2;
    size_t count = ms_tensor_count(t);
    size_t rows = batched ? (size_t)t->shape.dim[0] : 1;
    size_t row = rows ? count / rows : 0;
    size_t n = (size_t)k < row ? (size_t)k : row;

    if (t->dtype == MS_STRING)
        return ms_fail(err, MS_INVALID_ARGUMENT, "classification of an output that holds text");
    if (count == 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "classification of an output without elements");
    struct ms_tensor *c = ms_arena_alloc(p->arena, sizeof *c);
    struct ms_shape shape =
        batched ? ms_shape_make((int64_t)rows, (int64_t)n) : ms_shape_make((int64_t)n);
    struct ms_bytes *text = ms_arena_array(p->arena, rows * n, sizeof *text);
    if (!c || !text || !ms_tensor_borrow(c, MS_STRING, &shape, text))
        return ms_fail_oom(err, "classification", rows * n * sizeof *text);
    *out = c;
    return fill(p, r, rows, n, text, err);
}
