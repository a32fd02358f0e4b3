/* SPDX-License-Identifier: Apache-2.0 */
/* grid_sample.h - places in the input that a grid's coordinates stand for. */
#ifndef MS_KERNELS_GRID_SAMPLE_H
#define MS_KERNELS_GRID_SAMPLE_H

#include "ir/op.h"

enum { MS_SAMPLER_DIMS = 3 };

struct ms_sampler {
    char mode, padding; /* n, l, c; z, b, r */
    bool corners;
    int dims;
    int64_t size[MS_SAMPLER_DIMS]; /* in the input's order */
    double low[MS_SAMPLER_DIMS], high[MS_SAMPLER_DIMS];
};

void ms_sampler_of(const struct ms_task *t, struct ms_sampler *s);
/* Place of a grid coordinate along axis d, as near to the input as the padding brings it. */
double ms_sampler_place(const struct ms_sampler *s, int d, double v);
/* Element along axis d for tap i; -1: zero. */
int64_t ms_sampler_element(const struct ms_sampler *s, int d, int64_t i);

/* Units: points of all items. */
size_t ms_grid_sample_units(const struct ms_task *t);

/* grid_sample_linear.c: f32 with two axes. */
bool ms_grid_sample_linear_applicable(const struct ms_prep *p);
size_t ms_grid_sample_linear_scratch(const struct ms_task *t);
void ms_grid_sample_linear_avx512(const struct ms_task *t);
void ms_grid_sample_linear_avx2(const struct ms_task *t);

#endif
