/* SPDX-License-Identifier: Apache-2.0 */
/* reverse_sequence.c - the first sequence_lens[b] time steps of each sequence b turned around.
 *
 * Batch and time are dims 0 and 1, either way. A unit is one time step of one sequence. */
#include <inttypes.h>
#include <string.h>

#include "kernels/facts.h"

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, 2);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const bool time_first = ms_attr_int(t->node, "time_axis") == 0;
    const size_t n1 = (size_t)x->shape.dim[1];
    const int64_t steps = x->shape.dim[time_first ? 0 : 1];
    const size_t run = ms_shape_span(&x->shape, 2, x->shape.rank) * ms_dtype_size(x->dtype);

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const size_t b = time_first ? u % n1 : u / n1;
        const int64_t i = (int64_t)(time_first ? u / n1 : u % n1), n = ms_index_at(t->in[1], b);

        if (n < 0 || n > steps) {
            ms_task_fail(t, MS_INVALID_ARGUMENT,
                         "length %" PRId64 " of sequence %zu, there are %" PRId64 " steps", n, b,
                         steps);
            return;
        }
        const size_t from = (size_t)(i < n ? n - 1 - i : i);
        memcpy((uint8_t *)t->out[0]->data + u * run,
               (const uint8_t *)x->data + (time_first ? from * n1 + b : b * n1 + from) * run, run);
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *s = &c->in[1].shape;
    const int64_t batch = ms_attr_int(c->node, "batch_axis");
    int64_t n;

    if (batch == ms_attr_int(c->node, "time_axis"))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "batch and time are both axis %" PRId64, batch);
    if (x->rank >= 0 && x->rank < 2)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is less than 2", x->rank);
    MS_TRY(ms_fact_rank(c, 1, 1));
    if (x->rank > 0 && s->rank == 1 && !ms_fact_agree(x->dim[batch], s->dim[0], &n))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%" PRId64 " lengths for %" PRId64 " sequences",
                       s->dim[0], x->dim[batch]);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "batch_axis", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1, .doc = "sequences"},
    {.name = "time_axis", .type = MS_ATTR_INT, .i = 0, .min = 0, .max = 1, .doc = "their steps"},
    {0},
};

MS_OP(reverse_sequence) = {
    .name = "ReverseSequence",
    .doc = "the first steps of each sequence turned around",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED | MS_BIT(STRING), MS_INDEX_TYPES},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"reverse_sequence", MS_FIXED | MS_BIT(STRING),
                                           MS_ISA_ANY, .units = units, .run = run},
                                          {0}},
};
