/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h - which kernel serves a node, and the memory that its preparation takes. */
#ifndef MS_RUNTIME_KERNEL_H
#define MS_RUNTIME_KERNEL_H

#include "ir/op.h"
#include "runtime/account.h"
#include "runtime/tune.h"

struct ms_choice {
    const struct ms_kernel *kernel; /* NULL: a view, nothing runs */
    const void *state;
};

/* Packed weights: freed together with the model (or with an evaluation). */
struct ms_packed_block;
struct ms_packed {
    struct ms_packed_block *head;
    struct ms_account *account; /* NULL: only max counts */
    size_t bytes, max;
};
void ms_packed_init(struct ms_packed *p, struct ms_account *account, size_t max);
void ms_packed_done(struct ms_packed *p);

struct ms_choose {
    bool reference;   /* the last kernel that runs everywhere, on plain tensors */
    bool exact;       /* no kernel that is marked inexact */
    bool in_order;    /* prices do not count: the first of the record that fits */
    size_t workspace; /* see struct ms_prep */
    int threads;
    struct ms_tuner *tuner;    /* kernels with prices are run against each other; NULL = no */
    const atomic_bool *cancel; /* of that; may be NULL */
    int64_t deadline;          /* of that, monotonic ns; 0 = none */
};

/* The first kernel in the record's order that this host, the dtype, the layout and the node's
 * shapes allow; where kernels have prices, the fastest by trial or the cheapest. Runs its prepare;
 * when that finds no room, the next best is tried. A view gives no kernel. UNIMPLEMENTED when none
 * fits. */
ms_code ms_kernel_choose(const struct ms_node *n, const struct ms_fact *in,
                         const struct ms_fact *out, const struct ms_choose *how,
                         struct ms_packed *packed, struct ms_choice *c, struct ms_err *err);

#endif
