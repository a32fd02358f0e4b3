/* SPDX-License-Identifier: Apache-2.0 */
/* op.c - the operators that were linked in, sorted by name once. */
#include "ir/op.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const void *const __start_ms_ops[] __attribute__((weak));
extern const void *const __stop_ms_ops[] __attribute__((weak));

enum { MAX_OPS = 1024 };

/* Written once, before the first look-up returns. */
static const struct ms_op *sorted[MAX_OPS];
static size_t n_sorted;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int by_name(const void *a, const void *b)
{
    const struct ms_op *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void sort_ops(void)
{
    ms_section_each (ms_ops, it)
        if (n_sorted < MAX_OPS)
            sorted[n_sorted++] = *it;
    qsort(sorted, n_sorted, sizeof *sorted, by_name);
}

const struct ms_op *ms_op_find(const char *name)
{
    pthread_once(&once, sort_ops);
    for (size_t lo = 0, hi = n_sorted; lo < hi;) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(name, sorted[mid]->name);
        if (c == 0)
            return sorted[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct ms_op *ms_op_at(size_t i)
{
    pthread_once(&once, sort_ops);
    return i < n_sorted ? sorted[i] : NULL;
}

const struct ms_attr_spec *ms_op_attr(const struct ms_op *op, const char *name)
{
    for (const struct ms_attr_spec *s = op->attrs; s && s->name; s++)
        if (s->name[0] == name[0] && strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

ms_dtypes ms_op_in_dtypes(const struct ms_op *op, int i)
{
    int row = i < MS_OP_MAX_IN ? i : MS_OP_MAX_IN - 1;

    while (row > 0 && !op->in[row])
        row--;
    return op->in[row];
}

/* There is nothing to compute: an empty tensor may still have dims that no loop should walk. */
static bool all_empty(const struct ms_task *t)
{
    if (t->node->op->traits & MS_OUT_BY_KERNEL)
        return false;
    for (int i = 0; i < t->n_out; i++)
        if (t->out[i] && ms_tensor_count(t->out[i]) > 0)
            return false;
    return t->n_out > 0;
}

bool ms_blockable(const struct ms_value *v)
{
    return v && !v->constant && v->dtype == MS_F32 && v->shape.rank >= 3 && v->shape.dim[1] > 0;
}

unsigned ms_blocked_same(const struct ms_node *n)
{
    return ms_blockable(ms_in(n, 0)) ? MS_BLOCKED_OUT | MS_BLOCKED_IN(0) : 0;
}

unsigned ms_blocked_whole(const struct ms_node *n)
{
    return ms_blockable(ms_in(n, 0)) && ms_no_padding(ms_in(n, 0)->shape.dim[1])
               ? MS_BLOCKED_OUT | MS_BLOCKED_IN(0)
               : 0;
}

unsigned ms_node_blocked(const struct ms_node *n)
{
    if (n->op->blocked)
        return n->op->blocked(n);
    return (n->op->traits & MS_ANY_LAYOUT) && n->n_in == 1 ? ms_blocked_same(n) : 0;
}

size_t ms_kernel_units(const struct ms_kernel *k, const struct ms_task *t)
{
    if (all_empty(t))
        return 0;
    if (k->units)
        return k->units(t);
    if ((t->node->op->traits & MS_ELEMENTWISE) && t->n_out && t->out[0])
        return t->out[0]->layout == MS_PLAIN ? ms_tensor_count(t->out[0])
                                             : t->out[0]->bytes / ms_dtype_size(t->out[0]->dtype);
    return 1;
}

void ms_task_fail(const struct ms_task *t, ms_code code, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    t->ctl->fail(t->ctl, t->node, code, text);
}
