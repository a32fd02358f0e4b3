/* SPDX-License-Identifier: Apache-2.0 */
/* compare.h - is a result what the reference says, within the bounds of its dtype? */
#ifndef MS_CLI_COMPARE_H
#define MS_CLI_COMPARE_H

#include "base/buf.h"
#include "mindserve/mindserve.h"

struct ms_cli_bounds {
    double rtol, atol; /* f32, f64: |a-b| <= rtol |b| + 1e-5 max|b| + atol */
    bool quantised;    /* 8-bit results may be off by one step (rounding after a rescale) */
    bool network;      /* f32, f64: |a-b| <= of_largest max|b| + atol instead, and the same largest
                          element in each row wherever the reference's two largest are further apart */
    double of_largest; /* 1e-4 */
    bool chosen;       /* by the caller: networks have no bound of their own */
};
#define MS_CLI_BOUNDS                                                                              \
    {                                                                                              \
        .rtol = 1e-3, .atol = 1e-7, .of_largest = 1e-4                                             \
    }

/* Compares dtype, shape and elements. False: the first difference is described in *why.
 *   f32, f64   as above, a row being what the last axis counts; NaN and infinities at the same
 * places f16, bf16  two units in the last place, and 1e-5 max|b| for the order of adding up others
 * equal */
bool ms_cli_compare(struct mindserve_tensor *got, struct mindserve_tensor *want,
                    const struct ms_cli_bounds *bounds, struct ms_buf *why);

#endif
