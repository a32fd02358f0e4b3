/* SPDX-License-Identifier: Apache-2.0 */
/* account.c - bytes booked with a compare and swap, so that no two takers pass a limit together. */
#include "runtime/account.h"

#include "base/mem.h"
#include "runtime/spare.h"

struct ms_account *ms_account_new(size_t budget, struct ms_account *parent)
{
    struct ms_account *a = ms_calloc(1, sizeof *a);

    if (!a)
        return NULL;
    atomic_init(&a->refs, 1);
    a->budget = budget;
    a->parent = parent ? ms_account_ref(parent) : NULL;
    return a;
}

struct ms_account *ms_account_ref(struct ms_account *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void ms_account_unref(struct ms_account *a)
{
    while (a && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1) {
        struct ms_account *parent = a->parent;
        ms_spares_free(a->spares);
        ms_free(a);
        a = parent;
    }
}

/* Adds to *used unless the sum would pass limit. */
static bool take(atomic_size_t *used, size_t limit, size_t bytes)
{
    size_t now = atomic_load_explicit(used, memory_order_relaxed), sum;

    do {
        if (!ms_add(now, bytes, &sum) || sum > limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(used, &now, sum, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

bool ms_account_take(struct ms_account *a, enum ms_account_kind k, size_t bytes)
{
    bool limited = k != MS_ACCOUNT_WEIGHTS;

    if (limited && !take(&a->total, a->budget, bytes))
        return false;
    if (a->parent && !ms_account_take(a->parent, k, bytes)) {
        if (limited)
            atomic_fetch_sub_explicit(&a->total, bytes, memory_order_relaxed);
        return false;
    }
    atomic_fetch_add_explicit(&a->kind[k], bytes, memory_order_relaxed);
    return true;
}

void ms_account_give(struct ms_account *a, enum ms_account_kind k, size_t bytes)
{
    for (; a; a = a->parent) {
        atomic_fetch_sub_explicit(&a->kind[k], bytes, memory_order_relaxed);
        if (k != MS_ACCOUNT_WEIGHTS)
            atomic_fetch_sub_explicit(&a->total, bytes, memory_order_relaxed);
    }
}

size_t ms_account_held(const struct ms_account *a, enum ms_account_kind k)
{
    return atomic_load_explicit(&a->kind[k], memory_order_relaxed);
}

bool ms_budget_take(struct ms_budget *b, size_t bytes)
{
    if (take(&b->used, b->limit, bytes))
        return true;
    atomic_store_explicit(&b->over, true, memory_order_relaxed);
    return false;
}

void ms_budget_give(struct ms_budget *b, size_t bytes)
{
    atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}
