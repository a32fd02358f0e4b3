/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - results against references: bounds by dtype, and the first difference in words. */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

#include "cli/input.h"

/* "[0,3,1]" of element i. */
static void place(struct ms_buf *b, const struct mindserve_tensor *t, size_t i)
{
    int rank = mindserve_tensor_rank(t);
    const int64_t *dim = mindserve_tensor_dims(t);
    size_t at[MINDSERVE_MAX_RANK];

    for (int k = rank - 1; k >= 0; k--) {
        at[k] = i % (size_t)dim[k];
        i /= (size_t)dim[k];
    }
    ms_buf_putc(b, '[');
    for (int k = 0; k < rank; k++)
        ms_buf_printf(b, k ? ",%zu" : "%zu", at[k]);
    ms_buf_putc(b, ']');
}

static double largest(const struct mindserve_tensor *t)
{
    double max = 0;

    for (size_t i = 0; i < mindserve_tensor_count(t); i++) {
        double v = fabs(mindserve_tensor_number(t, i));
        if (isfinite(v) && v > max)
            max = v;
    }
    return max;
}

/* Distance of the numbers around v in a format with that many mantissa bits and lowest exponent. */
static double unit_at(double v, int mantissa, int min_exp)
{
    int e;

    (void)frexp(v, &e);
    e -= 1; /* frexp's fraction is in [0.5, 1) */
    return ldexp(1, (v == 0 || e < min_exp ? min_exp : e) - mantissa);
}

/* How far element i may be from the reference. */
static double bound_at(const struct mindserve_tensor *want, size_t i, double max,
                       const struct ms_cli_bounds *b)
{
    double v = mindserve_tensor_number(want, i);

    switch (mindserve_tensor_dtype(want)) {
    case MINDSERVE_F32:
    case MINDSERVE_F64:
        return b->network ? b->of_largest * max + b->atol
                          : b->rtol * fabs(v) + 1e-5 * max + b->atol;
    case MINDSERVE_F16:
        return 2 * unit_at(v, 10, -14) + 1e-5 * max;
    case MINDSERVE_BF16:
        return 2 * unit_at(v, 7, -126) + 1e-5 * max;
    case MINDSERVE_I8:
    case MINDSERVE_U8:
        return b->quantised ? 1 : 0;
    default:
        return 0;
    }
}

static bool text_same(const struct mindserve_tensor *a, const struct mindserve_tensor *b, size_t i)
{
    size_t x, y;
    const char *s = mindserve_tensor_string(a, i, &x), *t = mindserve_tensor_string(b, i, &y);

    return x == y && memcmp(s, t, x) == 0;
}

static bool element_same(struct mindserve_tensor *got, struct mindserve_tensor *want, size_t i,
                         double bound)
{
    size_t size = mindserve_dtype_size(mindserve_tensor_dtype(want));
    double a, b;

    if (size == 0)
        return text_same(got, want, i);
    if (bound == 0 && mindserve_tensor_dtype(want) > MINDSERVE_BF16)
        /* integers: bits, since 64 of them do not fit a double */
        return memcmp((char *)mindserve_tensor_data(got) + i * size,
                      (char *)mindserve_tensor_data(want) + i * size, size) == 0;
    a = mindserve_tensor_number(got, i);
    b = mindserve_tensor_number(want, i);
    if (isnan(b) || isnan(a))
        return isnan(a) && isnan(b);
    if (isinf(b) || isinf(a))
        return a == b;
    return fabs(a - b) <= bound;
}

static void describe(struct ms_buf *why, struct mindserve_tensor *got,
                     struct mindserve_tensor *want, size_t first, size_t wrong, double bound)
{
    size_t n;

    ms_buf_puts(why, "element ");
    place(why, want, first);
    if (mindserve_tensor_dtype(want) == MINDSERVE_STRING) {
        ms_buf_printf(why, " is '%s'", ms_cli_safe(mindserve_tensor_string(got, first, &n)));
        ms_buf_printf(why, ", expected '%s'",
                      ms_cli_safe(mindserve_tensor_string(want, first, &n)));
    } else {
        ms_buf_printf(why, " is %.9g, expected %.9g", mindserve_tensor_number(got, first),
                      mindserve_tensor_number(want, first));
        if (bound > 0)
            ms_buf_printf(why, " (bound %.3g)", bound);
    }
    ms_buf_printf(why, "; %zu of %zu differ", wrong, mindserve_tensor_count(want));
}

static bool form_same(const struct mindserve_tensor *a, const struct mindserve_tensor *b)
{
    int rank = mindserve_tensor_rank(a);

    return mindserve_tensor_dtype(a) == mindserve_tensor_dtype(b) &&
           rank == mindserve_tensor_rank(b) &&
           memcmp(mindserve_tensor_dims(a), mindserve_tensor_dims(b),
                  (size_t)rank * sizeof(int64_t)) == 0;
}

/* The place of the largest of the n elements from first on; *lead: how far the next is below. */
static size_t top_of(const struct mindserve_tensor *t, size_t first, size_t n, double *lead)
{
    double best = -INFINITY, next = -INFINITY;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        double v = mindserve_tensor_number(t, first + i);
        if (v > best) {
            next = best;
            best = v;
            at = i;
        } else if (v > next) {
            next = v;
        }
    }
    *lead = best - next;
    return at;
}

/* A network's answer is often which element is the largest: bounds alone let two change places
 * that are up to twice the bound apart. */
static bool tops_same(struct mindserve_tensor *got, struct mindserve_tensor *want, double bound,
                      struct ms_buf *why)
{
    int rank = mindserve_tensor_rank(want);
    size_t n = mindserve_tensor_count(want);
    size_t row = rank > 0 ? (size_t)mindserve_tensor_dims(want)[rank - 1] : 1;

    for (size_t first = 0; first + row <= n && row > 1; first += row) {
        double lead, ours;
        size_t to = top_of(want, first, row, &lead), is = top_of(got, first, row, &ours);
        if (is == to || !(lead > bound))
            continue;
        ms_buf_puts(why, "the largest element of a row is ");
        place(why, want, first + is);
        ms_buf_puts(why, ", expected ");
        place(why, want, first + to);
        return false;
    }
    return true;
}

bool ms_cli_compare(struct mindserve_tensor *got, struct mindserve_tensor *want,
                    const struct ms_cli_bounds *bounds, struct ms_buf *why)
{
    size_t n = mindserve_tensor_count(want), wrong = 0, first = 0;
    double max;

    if (!form_same(got, want)) {
        ms_buf_printf(why, "is %s, expected %s", ms_cli_tensor_form(got).text,
                      ms_cli_tensor_form(want).text);
        return false;
    }
    max = mindserve_tensor_dtype(want) <= MINDSERVE_BF16 ? largest(want) : 0;
    for (size_t i = 0; i < n; i++) {
        if (element_same(got, want, i, bound_at(want, i, max, bounds)))
            continue;
        if (wrong++ == 0)
            first = i;
    }
    if (wrong)
        describe(why, got, want, first, wrong, bound_at(want, first, max, bounds));
    bool ranked = bounds->network && (mindserve_tensor_dtype(want) == MINDSERVE_F32 ||
                                      mindserve_tensor_dtype(want) == MINDSERVE_F64);
    return wrong == 0 && (!ranked || tops_same(got, want, bound_at(want, 0, max, bounds), why));
}
