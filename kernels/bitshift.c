/* SPDX-License-Identifier: Apache-2.0 */
/* bitshift.c - shifts of unsigned integers; a shift by the width or more gives 0. */
#include "kernels/elementwise.h"

#define WIDTH (8 * sizeof(T))

MS_ROWS_UNSIGNED(MS_ROW2, left, b < WIDTH ? (U)a << b : 0)
MS_ROWS_UNSIGNED(MS_ROW2, right, b < WIDTH ? (U)a >> b : 0)

static const ms_binary_row left_rows[MS_N_DTYPES] = {MS_HAS_UNSIGNED(left)};
static const ms_binary_row right_rows[MS_N_DTYPES] = {MS_HAS_UNSIGNED(right)};

static void run(const struct ms_task *t)
{
    ms_binary_run(t, ms_attr_str(t->node, "direction")[0] == 'L' ? left_rows : right_rows);
}

#define TYPES (MS_BIT(U8) | MS_BIT(U16) | MS_BIT(U32) | MS_BIT(U64))

static const struct ms_attr_spec attrs[] = {
    {.name = "direction",
     .type = MS_ATTR_STRING,
     .required = true,
     .choices = "LEFT|RIGHT",
     .doc = "which way the bits move"},
    {0},
};

MS_OP(bitshift) = {
    .name = "BitShift",
    .doc = "a shifted by b bits; 0 when b is the width or more",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .attrs = attrs,
    .infer = ms_infer_broadcast,
    .kernels = (const struct ms_kernel[]){{"bitshift", TYPES, MS_ISA_ANY, .run = run}, {0}},
};
