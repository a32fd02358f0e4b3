/* SPDX-License-Identifier: Apache-2.0 */
/* range.c - start, start + delta, ... before limit.
 *
 * Element i is start + i * delta, not a running sum, so it does not depend on how the range is cut.
 * The length is max(0, ceil((limit - start) / delta)); delta 0 is refused. */
#include <inttypes.h>
#include <math.h>

#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/half.h"

#define STEPS(T_, U_)                                                                              \
    do {                                                                                           \
        const T_ a = *(const T_ *)t->in[0]->data, d = *(const T_ *)t->in[2]->data;                 \
        T_ *y = t->out[0]->data;                                                                   \
        for (size_t i = t->first; i < t->last; i++)                                                \
            y[i] = (T_)((U_)a + (U_)i * (U_)d);                                                    \
    } while (0)

static void run(const struct ms_task *t)
{
    const enum ms_dtype type = t->out[0]->dtype;

    if (ms_is_half(type)) {
        const double a = ms_tensor_f64(t->in[0], 0), d = ms_tensor_f64(t->in[2], 0);

        for (size_t i = t->first; i < t->last; i++) {
            const float v = (float)(a + (double)i * d);
            ms_half_narrow(type, (uint16_t *)t->out[0]->data + i, &v, 1);
        }
    } else if (type == MS_F32)
        STEPS(float, double);
    else if (type == MS_F64)
        STEPS(double, double);
    else if (type == MS_I64)
        STEPS(int64_t, uint64_t);
    else if (type == MS_I32)
        STEPS(int32_t, uint32_t);
    else
        STEPS(int16_t, uint32_t);
}

static ms_code count_floats(const struct ms_infer *c, int64_t *n)
{
    const double a = ms_tensor_f64(c->in[0].value, 0), b = ms_tensor_f64(c->in[1].value, 0);
    const double d = ms_tensor_f64(c->in[2].value, 0), k = ceil((b - a) / d);

    if (d == 0.0 || isnan(k) || k > 0x1p40)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "from %g to %g in steps of %g", a, b, d);
    *n = k > 0.0 ? (int64_t)k : 0;
    return MS_OK;
}

static ms_code count_ints(const struct ms_infer *c, int64_t a, int64_t b, int64_t d, int64_t *n)
{
    if (d == 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the step is 0");
    /* Distances as unsigned numbers: no sum overflows. */
    const uint64_t dist = d > 0 ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b;
    const uint64_t step = d > 0 ? (uint64_t)d : 0 - (uint64_t)d;

    *n = 0;
    if (d > 0 ? b <= a : b >= a)
        return MS_OK;
    const uint64_t k = (dist - 1) / step + 1;
    if (k > UINT64_C(1) << 40)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%" PRIu64 " elements", k);
    *n = (int64_t)k;
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    int64_t va[MS_MAX_SYM_CONTENT], vb[MS_MAX_SYM_CONTENT], vd[MS_MAX_SYM_CONTENT];
    int64_t n = ms_syms_fresh(c->syms);
    int na, nb, nd;

    for (int i = 0; i < 3; i++) {
        MS_TRY(ms_fact_same_dtype(c, i, 0));
        if (c->in[i].shape.rank > 1 ||
            (c->in[i].shape.rank == 1 && !ms_is_sym(c->in[i].shape.dim[0]) &&
             c->in[i].shape.dim[0] != 1))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is no scalar", i);
    }
    c->out[0].dtype = c->in[0].dtype;
    if (ms_dtype_kind(c->in[0].dtype) == MS_KIND_FLOAT) {
        if (c->in[0].value && c->in[1].value && c->in[2].value)
            MS_TRY(count_floats(c, &n));
    } else if (ms_infer_ints(c, 0, va, &na) && ms_infer_ints(c, 1, vb, &nb) &&
               ms_infer_const_ints(c, 2, vd, &nd) && na == 1 && nb == 1 && nd == 1) {
        const int64_t a = va[0], b = vb[0], d = vd[0];

        if (!ms_is_sym(a) && !ms_is_sym(b)) {
            MS_TRY(count_ints(c, a, b, d, &n));
            int64_t v[MS_MAX_SYM_CONTENT];

            for (int64_t i = 0; i < n && n <= MS_MAX_SYM_CONTENT; i++)
                v[i] = a + i * d;
            c->out[0].shape = ms_shape_make(n);
            if (n <= MS_MAX_SYM_CONTENT)
                ms_infer_set_ints(c, 0, v, (int)n);
            return MS_OK;
        }
        if (a == 0 && d == 1)
            n = b; /* Range(0, N, 1) has N elements */
    }
    c->out[0].shape = ms_shape_make(n);
    return MS_OK;
}

#define TYPES (MS_FLOATS | MS_BIT(I16) | MS_BIT(I32) | MS_BIT(I64))

MS_OP(range) = {
    .name = "Range",
    .doc = "numbers from start to before limit in steps of delta",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .scalars = 1 << 0 | 1 << 1 | 1 << 2,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"range", TYPES, MS_ISA_ANY, .units = ms_units_elements,
                                           .run = run},
                                          {0}},
};
