/* SPDX-License-Identifier: Apache-2.0 */
/* pool_fast.h - functions that the records of MaxPool and AveragePool name. */
#ifndef MS_KERNELS_POOL_FAST_H
#define MS_KERNELS_POOL_FAST_H

#include "kernels/pool.h"

/* One or two spatial axes; MaxPool without indices. */
bool ms_pool_fast_applicable(const struct ms_prep *p);
size_t ms_pool_fast_scratch(const struct ms_task *t);
void ms_max_pool_avx512(const struct ms_task *t);
void ms_max_pool_avx2(const struct ms_task *t);
void ms_average_pool_avx512(const struct ms_task *t);
void ms_average_pool_avx2(const struct ms_task *t);

#endif
