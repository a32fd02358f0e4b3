/* SPDX-License-Identifier: Apache-2.0 */
/* wide.h - reference kernels in double, whatever the tensors hold.
 *
 * A reference is written once, for f64 tensors. ms_wide_run converts every floating point input to
 * f64 in scratch, calls it, and rounds its floating point outputs once. So one plain loop serves
 * f32, f64, f16 and bf16 and is more exact than what it judges. Such kernels have one unit. */
#ifndef MS_KERNELS_WIDE_H
#define MS_KERNELS_WIDE_H

#include "ir/op.h"

enum { MS_WIDE_MAX = 12 }; /* inputs and outputs of an operator that uses this */

/* Scratch of ms_wide_run: f64 copies of all floating point tensors that are not f64. */
size_t ms_wide_scratch(const struct ms_task *t);
/* fn sees the same task with f64 in place of all floating point types, and as its scratch what the
 * kernel asked for beyond ms_wide_scratch. */
void ms_wide_run(const struct ms_task *t, void (*fn)(const struct ms_task *));

/* All present floating point inputs among the first n have one dtype? */
ms_code ms_infer_one_dtype(const struct ms_infer *c, int n);

#endif
