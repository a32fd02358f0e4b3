/* SPDX-License-Identifier: Apache-2.0 */
/* affine.h - per-channel y = x * scale + shift, moved into the weights of a convolution. */
#ifndef MS_PASSES_AFFINE_H
#define MS_PASSES_AFFINE_H

#include "passes/rewrite.h"

/* One scale and shift a channel, in double so that folding several loses nothing. */
struct ms_affine {
    double *scale, *shift; /* ms_malloc'd together */
    int64_t n;
};

void ms_affine_done(struct ms_affine *a);
/* Identity for n channels; false when memory is out. */
bool ms_affine_init(struct ms_affine *a, int64_t n);
/* What an inference-mode BatchNormalization with constant f32 parameters does. False if it is not
 * one, or its other outputs are read. a is initialised on success. */
bool ms_affine_of_batchnorm(const struct ms_node *bn, struct ms_affine *a);

/* Conv with constant f32 weights, no residual, no activation, and constant bias if any? */
bool ms_conv_is_foldable(const struct ms_node *conv);
/* The convolution's weights and bias replaced so that its output is scaled and shifted by a (n =
 * output channels). False when memory is out. */
bool ms_conv_fold_output(struct ms_node *conv, struct ms_pass_ctx *c, const struct ms_affine *a);
/* ... so that it takes x where it took x * scale + shift (n = input channels). No padding allowed.
 */
bool ms_conv_fold_input(struct ms_node *conv, struct ms_pass_ctx *c, const struct ms_affine *a);

#endif
