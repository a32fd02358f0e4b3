/* SPDX-License-Identifier: Apache-2.0 */
/* account.h - who holds how many bytes, and may it have more.
 *
 * An engine has one account; tensors that outlive a run (outputs in a reply) keep it alive, so it
 * is counted by references. Each model has a smaller one inside, each run a budget. */
#ifndef MS_RUNTIME_ACCOUNT_H
#define MS_RUNTIME_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum ms_account_kind {
    MS_ACCOUNT_WEIGHTS, /* in mapped files: shown, never refused */
    MS_ACCOUNT_PACKED,
    MS_ACCOUNT_PLANS,
    MS_ACCOUNT_GRAPHS,
    MS_ACCOUNT_RUNS,
    MS_N_ACCOUNTS
};

struct ms_account {
    atomic_int refs;
    size_t budget; /* of all kinds but weights together */
    atomic_size_t total;
    atomic_size_t kind[MS_N_ACCOUNTS];
    struct ms_account *parent; /* NULL, or also charged; a reference */
    struct ms_spares *spares;  /* NULL, or of an engine's: goes with it */
};

/* One reference; parent may be NULL and gets a reference. NULL when memory is out. */
struct ms_account *ms_account_new(size_t budget, struct ms_account *parent);
struct ms_account *ms_account_ref(struct ms_account *a);
void ms_account_unref(struct ms_account *a); /* takes NULL */

/* Books bytes; false (and nothing booked) when it or a parent would go over its budget. */
bool ms_account_take(struct ms_account *a, enum ms_account_kind k, size_t bytes);
void ms_account_give(struct ms_account *a, enum ms_account_kind k, size_t bytes);
size_t ms_account_held(const struct ms_account *a, enum ms_account_kind k);

/* What one run may hold at a time. */
struct ms_budget {
    atomic_size_t used;
    size_t limit;
    atomic_bool over; /* something was refused */
};
bool ms_budget_take(struct ms_budget *b, size_t bytes);
void ms_budget_give(struct ms_budget *b, size_t bytes);

#endif
