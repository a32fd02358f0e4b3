/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c - best first: the record's order is the preference, the host and the node decide;
 * algorithms of one layer are ranked by their estimated cost. */
#include "runtime/kernel.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"

/* Packed weights are read from end to end by every run, so they should lie in large pages and one
 * behind the other, for kernels fetch what lies behind theirs: what comes after a model's first
 * SHARE_FROM bytes shares mappings, each as large as all before and SHARED_MAX at most (of which
 * only what is used takes memory). The block that still has room is the first of the list. */
struct ms_packed_block {
    struct ms_packed_block *next;
    void *data;
    size_t bytes, used;
};

enum { SHARE_FROM = 1 << 20, SHARED = 8 << 20, SHARED_MAX = 64 << 20 };

void ms_packed_init(struct ms_packed *p, struct ms_account *account, size_t max)
{
    *p = (struct ms_packed){.account = account, .max = max};
}

void ms_packed_done(struct ms_packed *p)
{
    for (struct ms_packed_block *b = p->head, *next; b; b = next) {
        next = b->next;
        ms_aligned_free(b->data, b->bytes);
        ms_free(b);
    }
    if (p->account)
        ms_account_give(p->account, MS_ACCOUNT_PACKED, p->bytes);
    ms_packed_init(p, p->account, p->max);
}

static struct ms_packed_block *new_block(size_t bytes)
{
    struct ms_packed_block *b = ms_calloc(1, sizeof *b);

    if (b)
        b->data = ms_aligned_alloc(bytes);
    if (b && b->data) {
        b->bytes = bytes;
        return b;
    }
    ms_free(b);
    return NULL;
}

/* A block with room for that many bytes; NULL when memory is out. */
static struct ms_packed_block *block_for(struct ms_packed *p, size_t bytes)
{
    struct ms_packed_block *b = p->head;
    const size_t shared = p->bytes < SHARED       ? SHARED
                          : p->bytes < SHARED_MAX ? p->bytes
                                                  : SHARED_MAX;

    if (b && b->bytes - b->used >= bytes)
        return b;
    bool share = p->bytes >= SHARE_FROM && bytes <= shared / 2;
    struct ms_packed_block *fresh = share ? new_block(shared) : NULL;
    if (!fresh) {
        share = false;
        fresh = new_block(bytes);
    }
    if (!fresh)
        return NULL;
    struct ms_packed_block **at = b && !share ? &b->next : &p->head;
    fresh->next = *at;
    *at = fresh;
    return fresh;
}

static void *packed_alloc(const struct ms_prep *prep, size_t bytes)
{
    struct ms_packed *p = prep->arg;

    if (bytes > p->max || p->bytes > p->max - bytes)
        return NULL;
    if (p->account && !ms_account_take(p->account, MS_ACCOUNT_PACKED, bytes))
        return NULL;
    struct ms_packed_block *b = bytes < SIZE_MAX - 64 ? block_for(p, ms_align64(bytes)) : NULL;
    if (!b) {
        if (p->account)
            ms_account_give(p->account, MS_ACCOUNT_PACKED, bytes);
        return NULL;
    }
    void *data = (uint8_t *)b->data + b->used;
    b->used += ms_align64(bytes);
    p->bytes += bytes;
    return data;
}

static size_t packed_room(const struct ms_prep *prep)
{
    const struct ms_packed *p = prep->arg;
    size_t left = p->bytes < p->max ? p->max - p->bytes : 0;

    for (const struct ms_account *a = p->account; a; a = a->parent) {
        size_t total = atomic_load(&a->total), rest = total < a->budget ? a->budget - total : 0;
        left = rest < left ? rest : left;
    }
    return left;
}

/* The dtype that kernels are listed by. */
static enum ms_dtype lead_dtype(const struct ms_prep *p)
{
    for (int i = 0; i < p->node->n_in; i++)
        if (p->in[i].dtype != MS_DTYPE_NONE)
            return p->in[i].dtype;
    return p->node->n_out ? p->out[0].dtype : MS_DTYPE_NONE;
}

/* Do kernels of this node see blocked tensors on this host? */
static bool is_blocked(const struct ms_node *n)
{
    bool blocked = n->n_out && n->out[0]->layout != MS_PLAIN;

    for (int i = 0; i < n->n_in; i++)
        blocked |= n->in[i].value && n->in[i].value->layout != MS_PLAIN;
    return blocked && ms_layout_host(MS_BLOCKED_LAYOUT) != MS_PLAIN;
}

static bool fits(const struct ms_kernel *k, const struct ms_prep *p, const struct ms_choose *how)
{
    enum ms_isa host = how->reference ? MS_ISA_ANY : ms_cpu()->isa;
    bool blocked = !how->reference && is_blocked(p->node);

    if ((k->inexact && (how->exact || how->reference)) || k->isa > host ||
        !(k->dtypes >> lead_dtype(p) & 1))
        return false;
    if (k->blocked ? !blocked || k->isa != host : blocked && !(p->node->op->traits & MS_ANY_LAYOUT))
        return false;
    return !k->applicable || k->applicable(p);
}

enum { MAX_TRIED = 8 };

static bool was_tried(const struct ms_kernel *k, const struct ms_kernel *const *tried, int n)
{
    for (int i = 0; i < n; i++)
        if (tried[i] == k)
            return true;
    return false;
}

static const struct ms_kernel *pick(const struct ms_prep *p, const struct ms_choose *how,
                                    const struct ms_kernel *const *tried, int n_tried)
{
    const struct ms_kernel *found = NULL;
    double best = 0;

    for (const struct ms_kernel *k = p->node->op->kernels; k && k->name; k++) {
        if (was_tried(k, tried, n_tried) || !fits(k, p, how))
            continue;
        double price = k->price ? k->price(p) : 0;
        if (!found || how->reference ||
            (!how->in_order && k->price && found->price && price < best)) {
            found = k;
            best = price;
        }
    }
    return found;
}

/* The fastest by trial, where there is something to choose. */
static const struct ms_kernel *by_trial(const struct ms_prep *p, const struct ms_choose *how,
                                        const struct ms_packed *packed)
{
    const struct ms_kernel *list[MAX_TRIED];
    int n = 0;

    for (const struct ms_kernel *k = p->node->op->kernels; k && k->name && n < MAX_TRIED; k++)
        if (fits(k, p, how)) {
            if (!k->price && n == 0)
                return NULL; /* the record's order decides */
            if (k->price)
                list[n++] = k;
        }
    const struct ms_tune_limits lim = {
        .weights = packed->account ? ms_account_held(packed->account, MS_ACCOUNT_WEIGHTS) : 0,
        .room = packed_room(p),
        .cancel = how->cancel,
        .deadline = how->deadline ? how->deadline : MS_NEVER,
    };
    return n > 1 ? ms_tune(how->tuner, p, list, n, &lim) : NULL;
}

ms_code ms_kernel_choose(const struct ms_node *n, const struct ms_fact *in,
                         const struct ms_fact *out, const struct ms_choose *how,
                         struct ms_packed *packed, struct ms_choice *c, struct ms_err *err)
{
    struct ms_prep p = {.node = n,
                        .in = in,
                        .out = out,
                        .alloc = packed_alloc,
                        .room = packed_room,
                        .arg = packed,
                        .workspace = how->workspace,
                        .threads = how->threads};
    const struct ms_kernel *tried[MAX_TRIED];
    ms_code code = MS_OK;

    *c = (struct ms_choice){0};
    if (n->op->traits & MS_VIEW)
        return MS_OK;
    const struct ms_kernel *first = how->tuner ? by_trial(&p, how, packed) : NULL;
    for (int i = 0; i < MAX_TRIED; i++) {
        const struct ms_kernel *k = i == 0 && first ? first : pick(&p, how, tried, i);
        if (!k)
            break;
        *c = (struct ms_choice){.kernel = k};
        code = k->prepare ? k->prepare(&p, &c->state, err) : MS_OK;
        if (code != MS_RESOURCE_EXHAUSTED && code != MS_UNIMPLEMENTED)
            return code;
        tried[i] = k;
    }
    if (code != MS_OK)
        return code;
    return ms_node_fail(n, err, MS_UNIMPLEMENTED, "no kernel for %s",
                        ms_dtype_name(lead_dtype(&p)));
}
