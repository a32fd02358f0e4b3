/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - what the pooling operators share. */
#ifndef MS_KERNELS_POOL_H
#define MS_KERNELS_POOL_H

#include "kernels/window.h"

#define MS_POOL_ATTRS                                                                              \
    MS_WINDOW_ATTRS,                                                                               \
    {                                                                                              \
        .name = "ceil_mode", .type = MS_ATTR_INT, .min = 0, .max = 1,                              \
        .doc = "round the number of windows up"                                                    \
    }

/* Refuses a node without kernel_shape. */
ms_code ms_pool_check(const struct ms_node *n, struct ms_err *err);
/* Shape of output 0 from input 0 and the attributes; further outputs get the same shape. */
ms_code ms_pool_infer(struct ms_infer *c);
/* Global pooling: every spatial axis becomes 1. */
ms_code ms_pool_infer_global(struct ms_infer *c);
/* The window of a task. */
void ms_pool_window(struct ms_window *w, const struct ms_task *t);
double ms_pool_cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out);
double ms_pool_cost_global(const struct ms_node *n, const struct ms_fact *in,
                           const struct ms_fact *out);
/* Units are the channels of all items: N * C. */
size_t ms_pool_units(const struct ms_task *t);

/* Elements of a window that lie inside the input (or, with pads, inside the padded input). */
double ms_pool_count(const struct ms_window *w, const int64_t o[3], bool pads);

#endif
