/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent.h - what LSTM, GRU and RNN share: sizes, directions, activations and the walk over
 * time.
 *
 * An operator gives its number of gates and a cell: one step of one item, from the gates' sums to
 * the new state. */
#ifndef MS_KERNELS_RECURRENT_H
#define MS_KERNELS_RECURRENT_H

#include "kernels/act.h"

struct ms_recurrent {
    size_t steps, batch, input, hidden;
    int dirs, gates;
    bool reverse_first;   /* direction 0 runs backwards */
    bool layout1;         /* batch first */
    bool flag;            /* input_forget of LSTM, linear_before_reset of GRU */
    double clip;          /* 0 = none */
    struct ms_act act[6]; /* f, g, h of direction 0, then of direction 1 */
    int acts;             /* of a direction */
};

/* Attribute rows; acts: the default list as text of the documentation. */
#define MS_RECURRENT_ATTRS                                                                         \
    {.name = "activation_alpha", .type = MS_ATTR_FLOATS, .max_len = 6, .doc = "their parameters"}, \
        {.name = "activation_beta",                                                                \
         .type = MS_ATTR_FLOATS,                                                                   \
         .max_len = 6,                                                                             \
         .doc = "their second parameters"},                                                        \
        {.name = "activations",                                                                    \
         .type = MS_ATTR_STRINGS,                                                                  \
         .max_len = 6,                                                                             \
         .doc = "functions of the gates, by direction"},                                           \
        {.name = "clip", .type = MS_ATTR_FLOAT, .doc = "bound on what activations see; 0 = none"}, \
        {.name = "direction",                                                                      \
         .type = MS_ATTR_STRING,                                                                   \
         .s = "forward",                                                                           \
         .choices = "forward|reverse|bidirectional",                                               \
         .doc = "order of time"},                                                                  \
        {.name = "hidden_size",                                                                    \
         .type = MS_ATTR_INT,                                                                      \
         .min = 0,                                                                                 \
         .max = 1 << 24,                                                                           \
         .doc = "elements of the state; 0 = from the weights"},                                    \
    {                                                                                              \
        .name = "layout", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "1: batch first"         \
    }

/* The rules: acts activations a direction must be known and complete. */
ms_code ms_recurrent_check(const struct ms_node *n, int acts, struct ms_err *err);
/* Shapes; c_in: index of the initial cell state among the inputs or -1, p_in of the peepholes. */
ms_code ms_recurrent_infer(struct ms_infer *c, int gates, int c_in, int p_in);
double ms_recurrent_cost(const struct ms_node *n, const struct ms_fact *in,
                         const struct ms_fact *out);

/* defaults: the operator's activations, `acts` of them. flag: attribute name or NULL. */
void ms_recurrent_of(struct ms_recurrent *r, const struct ms_task *t, int gates,
                     const char *const *defaults, int acts, const char *flag);
/* Item n's steps from input 4; fails the task and gives false if a length is outside. */
bool ms_recurrent_length(const struct ms_recurrent *r, const struct ms_task *t, size_t n,
                         size_t *len);
/* Offsets in elements: input row of step s, output row, state row. */
size_t ms_recurrent_x(const struct ms_recurrent *r, size_t s, size_t n);
size_t ms_recurrent_y(const struct ms_recurrent *r, size_t s, int dir, size_t n);
size_t ms_recurrent_h(const struct ms_recurrent *r, int dir, size_t n);

/* ---- the reference, in double (for ms_wide_run) ---- */

struct ms_recurrent_step {
    const struct ms_recurrent *r;
    int dir;
    const double *gx; /* gates x hidden: W x + Wb */
    double *gh;       /* gates x hidden: R h + Rb */
    const double *rw; /* R of this direction: gates x hidden rows of hidden */
    const double *rb; /* Rb of this direction, NULL if there is no bias */
    const double *p;  /* peepholes of this direction or NULL */
    double *h, *c;    /* state in, state out */
};
typedef void (*ms_recurrent_cell)(const struct ms_recurrent_step *s);
void ms_recurrent_ref(const struct ms_task *t, const struct ms_recurrent *r, int c_in, int p_in,
                      ms_recurrent_cell cell);
/* Scratch of the reference, conversion included. */
size_t ms_recurrent_ref_scratch(const struct ms_task *t, int gates);
/* Activation k of the step's direction on a clipped value. */
double ms_recurrent_act(const struct ms_recurrent_step *s, int k, double v);

#endif
