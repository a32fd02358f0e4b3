/* SPDX-License-Identifier: Apache-2.0 */
/* mod.c - remainder of a / b.
 *
 * fmod = 1: as C has it, with the sign of a. fmod = 0: as Python has it, with the sign of b. ONNX
 * asks for fmod = 1 with floats; fmod = 0 works on them too (MindSpore's FloorMod). Integer x % 0
 * gives 0 and fails the run; float x % 0 and inf % x are NaN. */
#include "kernels/intdiv.h"

MS_ROW2(c_f32, , float, float, fmodf(a, b))
MS_ROW2(c_f64, , double, double, fmod(a, b))
MS_ROWS_SIGNED(MS_DIV_ROW, c, MS_REM(a, b))
MS_ROWS_UNSIGNED(MS_DIV_ROW, c, a % b)

/* The remainder of C, moved over to the side of b. */
static float floored_f32(float a, float b)
{
    const float r = fmodf(a, b);

    if (r == 0.0f)
        return copysignf(0.0f, b);
    return (r < 0.0f) != (b < 0.0f) ? r + b : r;
}

static double floored_f64(double a, double b)
{
    const double r = fmod(a, b);

    if (r == 0.0)
        return copysign(0.0, b);
    return (r < 0.0) != (b < 0.0) ? r + b : r;
}

MS_ROW2(py_f32, , float, float, floored_f32(a, b))
MS_ROW2(py_f64, , double, double, floored_f64(a, b))
MS_ROWS_SIGNED(MS_DIV_ROW, py, (U)MS_REM(a, b) + (MS_INEXACT_BELOW(a, b) ? (U)b : 0))

static const ms_binary_row c_rows[MS_N_DTYPES] = {MS_HAS_FLOAT(c), MS_HAS_INT(c)};
static const ms_binary_row py_rows[MS_N_DTYPES] = {
    MS_HAS_FLOAT(py),
    MS_HAS_SIGNED(py),
    MS_HAS_UNSIGNED(c),
};

static void run(const struct ms_task *t)
{
    ms_binary_run(t, ms_attr_int(t->node, "fmod") ? c_rows : py_rows);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "fmod",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: sign of a (C); 0: sign of b (Python)"},
    {0},
};

MS_OP(mod) = {
    .name = "Mod",
    .doc = "remainder of a / b (integer x % 0 fails)",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .attrs = attrs,
    .infer = ms_infer_broadcast,
    .kernels = (const struct ms_kernel[]){{"mod", MS_NUMERIC, MS_ISA_ANY, .run = run}, {0}},
};
