/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c - best first: the record's order is the preference, the host and the node decide. */
#include "runtime/kernel.h"

#include "base/cpu.h"
#include "base/mem.h"

/* Packed weights are read from end to end by every run, so they should lie in large pages: what
 * comes after a model's first SHARE_FROM bytes shares mappings of SHARED bytes (of which only what
 * is used takes memory). The block that still has room is the first of the list. */
struct ms_packed_block {
    struct ms_packed_block *next;
    void *data;
    size_t bytes, used;
};

enum { SHARE_FROM = 1 << 20, SHARED = 8 << 20 };

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

    if (b && b->bytes - b->used >= bytes)
        return b;
    bool share = p->bytes >= SHARE_FROM && bytes <= SHARED / 2;
    struct ms_packed_block *fresh = share ? new_block(SHARED) : NULL;
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

/* The dtype that kernels are listed by. */
static enum ms_dtype lead_dtype(const struct ms_prep *p)
{
    for (int i = 0; i < p->node->n_in; i++)
        if (p->in[i].dtype != MS_DTYPE_NONE)
            return p->in[i].dtype;
    return p->node->n_out ? p->out[0].dtype : MS_DTYPE_NONE;
}

static const struct ms_kernel *pick(const struct ms_prep *p, bool reference)
{
    const struct ms_kernel *found = NULL;
    enum ms_isa most = reference ? MS_ISA_ANY : ms_cpu()->isa;
    enum ms_dtype t = lead_dtype(p);

    for (const struct ms_kernel *k = p->node->op->kernels; k && k->name; k++) {
        if (k->isa > most || !(k->dtypes >> t & 1) || (k->applicable && !k->applicable(p)))
            continue;
        if (!reference)
            return k;
        found = k;
    }
    return found;
}

ms_code ms_kernel_choose(const struct ms_node *n, const struct ms_fact *in,
                         const struct ms_fact *out, bool reference, int threads,
                         struct ms_packed *packed, struct ms_choice *c, struct ms_err *err)
{
    struct ms_prep p = {
        .node = n, .in = in, .out = out, .alloc = packed_alloc, .arg = packed, .threads = threads};

    *c = (struct ms_choice){0};
    if (n->op->traits & MS_VIEW)
        return MS_OK;
    c->kernel = pick(&p, reference);
    if (!c->kernel)
        return ms_node_fail(n, err, MS_UNIMPLEMENTED, "no kernel for %s",
                            ms_dtype_name(lead_dtype(&p)));
    return c->kernel->prepare ? c->kernel->prepare(&p, &c->state, err) : MS_OK;
}
