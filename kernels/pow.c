/* SPDX-License-Identifier: Apache-2.0 */
/* pow.c - y = a to the power b, of a's type, with numpy broadcasting.
 *
 * The exponent may be of another type: it is brought to what the power is computed in (f32, f64, or
 * i64 for an integer base with an integer exponent). One exponent for all elements is the common
 * case (normalisation, GELU): 2, 3, 1/2, -1, 1 and 0 then avoid the library. Integer powers wrap; a
 * negative exponent gives the truncated 1 / a^|b|, and 0 for base 0. Integer base with a fractional
 * exponent: computed in f64, truncated, saturated, NaN gives 0. Float cases as C's pow has them. */
#include "kernels/broadcast.h"
#include "kernels/convert.h"
#include "kernels/elementwise.h"
#include "kernels/half.h"

/* ---- floats ---- */

/* pow(x, 0.5) differs from sqrt at -0 and at -infinity. */
MS_ROWS_F32(MS_ROW1, half, x == -INFINITY ? INFINITY : sqrtf(x + 0.0f))
MS_ROWS_F64(MS_ROW1, half, x == -INFINITY ? INFINITY : sqrt(x + 0.0))
MS_ROWS_F32(MS_ROW1, square, x *x)
MS_ROWS_F64(MS_ROW1, square, x *x)
MS_ROWS_F32(MS_ROW1, cube, x *x *x)
MS_ROWS_F64(MS_ROW1, cube, x *x *x)
MS_ROWS_F32(MS_ROW1, inverse, 1.0f / x)
MS_ROWS_F64(MS_ROW1, inverse, 1.0 / x)
MS_ROWS_F32(MS_ROW1, same, x)
MS_ROWS_F64(MS_ROW1, same, x)
MS_ROW2(general_f32, , float, float, powf(a, b))
MS_ROW2(general_f64, , double, double, pow(a, b))

#define SPECIAL(b_, id_)                                                                           \
    {                                                                                              \
        b_, {id_##_f32, id_##_f32_avx2, id_##_f32_avx512}, id_##_f64                               \
    }
static const struct {
    double exponent;
    ms_unary_row f32[3]; /* by enum ms_isa */
    ms_unary_row f64;
} specials[] = {
    SPECIAL(2.0, square),   SPECIAL(0.5, half), SPECIAL(3.0, cube),
    SPECIAL(-1.0, inverse), SPECIAL(1.0, same),
};

static bool special(const struct ms_task *t, enum ms_isa isa)
{
    const double b = ms_tensor_f64(t->in[1], 0);

    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (b == specials[i].exponent) {
            ms_unary_run(t, (const ms_unary_row[MS_N_DTYPES]){
                                [MS_F32] = specials[i].f32[isa], [MS_F64] = specials[i].f64});
            return true;
        }
    }
    return false;
}

/* ---- integers ---- */

static int64_t int_pow(int64_t a, int64_t b)
{
    uint64_t y = 1, x = (uint64_t)a;

    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b % 2 != 0 ? -1 : 1) : 0;
    for (; b > 0; b >>= 1) {
        if (b & 1)
            y *= x;
        x *= x;
    }
    return (int64_t)y;
}
MS_ROW2(general_i64, , int64_t, uint64_t, int_pow(a, b))

/* ---- any types ---- */

/* What to compute in for these operand types. */
static enum ms_dtype compute_type(enum ms_dtype a, enum ms_dtype b)
{
    if (ms_dtype_kind(a) != MS_KIND_FLOAT)
        return ms_dtype_kind(b) == MS_KIND_FLOAT ? MS_F64 : MS_I64;
    return a == MS_F64 ? MS_F64 : MS_F32;
}

/* Two f32 operands of one shape are read where they are. */
static bool alike(const struct ms_task *t)
{
    enum { STEP = 4096 };
    const struct ms_tensor *a = t->in[0], *b = t->in[1];

    if (a->dtype != MS_F32 || b->dtype != MS_F32 || !ms_shape_eq(&a->shape, &b->shape))
        return false;
    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += STEP)
        general_f32((float *)t->out[0]->data + i, (const float *)a->data + i,
                    (const float *)b->data + i, t->last - i < STEP ? t->last - i : STEP, MS_ROW_VV);
    return true;
}

/* Blocks of both operands are packed and converted, raised, and converted back. */
static void general(const struct ms_task *t)
{
    enum { BLOCK = 256 };
    const struct ms_tensor *x[2] = {t->in[0], t->in[1]};
    struct ms_tensor *y = t->out[0];
    const enum ms_dtype c = compute_type(x[0]->dtype, x[1]->dtype);
    const ms_binary_row row = c == MS_F32 ? general_f32 : c == MS_F64 ? general_f64 : general_i64;
    uint64_t raw[BLOCK], op[2][BLOCK], result[BLOCK];
    struct ms_bcast w;
    struct ms_bcast_pos p;

    if (alike(t))
        return;
    ms_bcast_init(&w, &y->shape, (const struct ms_shape *[]){&x[0]->shape, &x[1]->shape}, 2);
    ms_bcast_seek(&w, &p, t->first);
    for (size_t i = t->first, n; i < t->last && !ms_task_stopped(t); i += n) {
        n = t->last - i < BLOCK ? t->last - i : BLOCK;
        for (int k = 0; k < 2; k++) {
            ms_bcast_pack(&w, &p, k, raw, x[k]->data, ms_dtype_size(x[k]->dtype), n);
            ms_convert(op[k], c, raw, x[k]->dtype, n);
        }
        row(result, op[0], op[1], n, MS_ROW_VV);
        ms_convert((uint8_t *)y->data + i * ms_dtype_size(y->dtype), y->dtype, result, c, n);
        for (size_t left = n, m; left > 0; left -= m) {
            m = ms_bcast_row(&w, &p) < left ? ms_bcast_row(&w, &p) : left;
            ms_bcast_step(&w, &p, m);
        }
    }
}

static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    const bool one = ms_tensor_count(t->in[1]) == 1;

    if (!one || ms_dtype_kind(t->in[0]->dtype) != MS_KIND_FLOAT || !special(t, isa))
        general(t);
}

static void run(const struct ms_task *t)
{
    run_isa(t, MS_ISA_ANY);
}
static void run_avx2(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX2);
}
static void run_avx512(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX512);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    char ta[128], tb[128];

    c->out[0].dtype = c->in[0].dtype;
    if (a->rank < 0 || b->rank < 0)
        c->out[0].shape = ms_shape_unknown();
    else if (!ms_shape_broadcast(a, b, c->syms, &c->out[0].shape))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "shapes %s and %s do not broadcast",
                       ms_shape_text(ta, sizeof ta, a, c->syms),
                       ms_shape_text(tb, sizeof tb, b, c->syms));
    return MS_OK;
}

MS_OP(pow) = {
    .name = "Pow",
    .doc = "a to the power b, of a's type",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC, MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            {"pow_avx512", MS_F32_HALF, MS_ISA_AVX512, .run = run_avx512},
            {"pow_avx2", MS_F32_HALF, MS_ISA_AVX2, .run = run_avx2},
            {"pow", MS_NUMERIC, MS_ISA_ANY, .run = run},
            {0},
        },
};
