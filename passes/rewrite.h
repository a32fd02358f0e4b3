/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite.h - what several passes need when they match and replace. */
#ifndef MS_PASSES_REWRITE_H
#define MS_PASSES_REWRITE_H

#include "ir/op.h"
#include "passes/pass.h"

/* One rewrite from the common fuel; false when it is used up or the deadline has passed. */
bool ms_pass_spend(struct ms_pass_ctx *c);

/* A new plain tensor that lives as long as the graph, contents undefined; NULL when memory is out.
 */
struct ms_tensor *ms_pass_tensor(struct ms_pass_ctx *c, enum ms_dtype t, const struct ms_shape *s);
/* The same as a constant value of g. */
struct ms_value *ms_pass_constant(struct ms_graph *g, struct ms_pass_ctx *c, const char *hint,
                                  enum ms_dtype t, const struct ms_shape *s,
                                  struct ms_tensor **out);

/* A constant of g whose contents are a recipe's (arena of g). */
struct ms_value *ms_pass_made(struct ms_graph *g, struct ms_pass_ctx *c, const char *hint,
                              const struct ms_shape *s, const struct ms_recipe *r);

/* The single element of a floating point constant (any rank, one element); false otherwise. */
bool ms_const_scalar(const struct ms_value *v, double *out);
static inline bool ms_const_is(const struct ms_value *v, double want, double tolerance)
{
    double got;

    return ms_const_scalar(v, &got) && got >= want - tolerance && got <= want + tolerance;
}

/* Element i of an f32 constant tensor. */
double ms_const_at(const struct ms_tensor *t, size_t i);

/* A constant that broadcasts along the channel axis (1) of an [N,C,...] tensor of that rank: one
 * element, or [C], [C,1,1], [1,C,1,1] as broadcasting aligns them. Fills out[0..channels). Only
 * f32. */
bool ms_const_channels(const struct ms_value *v, int rank, int64_t channels, float *out);
/* The same along the last axis: one element, [n], [1,...,n]. */
bool ms_const_last_axis(const struct ms_value *v, int64_t n, float *out);

/* The other operand of a binary node whose one operand is `v`; NULL if v is not one of the two. */
struct ms_value *ms_other(const struct ms_node *n, const struct ms_value *v);
/* The operand that is a constant, and the other one in *rest; NULL unless exactly one is. */
struct ms_value *ms_const_operand(const struct ms_node *n, struct ms_value **rest);
/* v's producer if it is that operator and v is read by one node alone (no graph output). */
struct ms_node *ms_made_by(const struct ms_value *v, const char *op);
/* v's producer if it is that operator, whoever else reads v. */
struct ms_node *ms_producer(const struct ms_value *v, const char *op);

/* All readers of n's output 0 read v instead, and n goes (and whatever fed only it, later). */
void ms_replace_node(struct ms_node *n, struct ms_value *v);
/* Makes `to` produce what `from` produced: renames and redirects, so that the interface keeps its
 * names. `from` goes. Both have one output. */
void ms_take_over(struct ms_node *from, struct ms_value *to);

/* Same rank and every dim the same size or the same symbol. */
bool ms_same_shape(const struct ms_value *a, const struct ms_value *b);

/* Bytes of the constants that a graph's nodes read. */
size_t ms_graph_const_bytes(const struct ms_graph *g);

#endif
