/* SPDX-License-Identifier: Apache-2.0 */
/* cse.c - equal nodes on equal inputs are one node.
 *
 * A node's key is its operator, attributes and input values; small constants count as equal when
 * their bytes are. Random operators and those with sub-graphs are left alone. */
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "passes/rewrite.h"

enum { SMALL_CONSTANT = 1024, MAX_KEY = 1 << 16 };

static void key_tensor(struct ms_buf *b, const struct ms_tensor *t)
{
    if (t->bytes <= SMALL_CONSTANT && t->dtype != MS_STRING) {
        ms_buf_add(b, "c", 1);
        ms_buf_add(b, &t->dtype, sizeof t->dtype);
        ms_buf_add(b, &t->shape.rank, sizeof t->shape.rank);
        ms_buf_add(b, t->shape.dim, (size_t)t->shape.rank * sizeof *t->shape.dim);
        ms_buf_add(b, t->data, t->bytes);
    } else { /* the same bytes of the file, or another tensor */
        ms_buf_add(b, "t", 1);
        const void *what = t->data ? t->data : t; /* recipes are told apart by their tensors */
        ms_buf_add(b, &what, sizeof what);
        ms_buf_add(b, &t->dtype, sizeof t->dtype);
        ms_buf_add(b, &t->shape, sizeof t->shape);
    }
}

static void key_attr(struct ms_buf *b, const struct ms_attr *a)
{
    ms_buf_add(b, a->name, strlen(a->name) + 1);
    ms_buf_add(b, &a->type, sizeof a->type);
    ms_buf_add(b, &a->n, sizeof a->n);
    if (a->type == MS_ATTR_INT || a->type == MS_ATTR_FLOAT)
        ms_buf_add(b, &a->i, sizeof a->i);
    else if (a->type == MS_ATTR_STRING)
        ms_buf_add(b, a->s.data, a->s.len);
    else if (a->type == MS_ATTR_INTS)
        ms_buf_add(b, a->ints, (size_t)a->n * sizeof *a->ints);
    else if (a->type == MS_ATTR_FLOATS)
        ms_buf_add(b, a->floats, (size_t)a->n * sizeof *a->floats);
    else if (a->type == MS_ATTR_TENSOR)
        key_tensor(b, a->tensor);
    else
        b->failed = true; /* lists of text: not worth a key */
}

/* False if the node has no key. */
static bool make_key(struct ms_buf *b, const struct ms_node *n)
{
    ms_buf_clear(b);
    ms_buf_add(b, n->op->name, strlen(n->op->name) + 1);
    ms_buf_add(b, &n->n_in, sizeof n->n_in);
    ms_buf_add(b, &n->n_out, sizeof n->n_out);
    for (int i = 0; i < n->n_in; i++) {
        const struct ms_value *v = n->in[i].value;
        if (v && v->constant) {
            key_tensor(b, v->constant);
        } else {
            ms_buf_add(b, "v", 1);
            ms_buf_add(b, &v, sizeof v);
        }
    }
    for (int i = 0; i < n->n_attrs; i++)
        key_attr(b, &n->attrs[i]);
    return ms_buf_ok(b);
}

static void join(struct ms_node *n, struct ms_node *first)
{
    for (int i = 0; i < n->n_out; i++)
        ms_value_replace(n->out[i], first->out[i]);
    ms_node_remove(n);
}

/* Two outputs of the model may not become one value: their names would. */
static bool is_output(const struct ms_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i]->n_outputs)
            return true;
    return false;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    struct ms_arena keys;
    struct ms_map seen = {0};
    struct ms_buf b;
    ms_code code = MS_OK;

    ms_arena_init(&keys, (size_t)64 << 20);
    ms_buf_init(&b, MAX_KEY);
    ms_graph_each (g, n) {
        if ((n->op->traits & (MS_IMPURE | MS_SUBGRAPHS)) || is_output(n) || !make_key(&b, n))
            continue;
        struct ms_node *first = ms_map_get(&seen, b.data, b.len);
        if (first) {
            if (!ms_pass_spend(c))
                break;
            join(n, first);
            ++*changed;
            continue;
        }
        char *key = ms_arena_strndup(&keys, b.data, b.len);
        if (!key) /* beyond the budget: fewer merges */
            break;
        if (!ms_map_put(&seen, key, b.len, n)) {
            code = ms_fail_oom(err, "common subexpressions", 0);
            break;
        }
    }
    ms_buf_done(&b);
    ms_map_done(&seen);
    ms_arena_done(&keys);
    return code;
}

const struct ms_pass ms_pass_cse = {
    .name = "cse",
    .help = "equal nodes on equal inputs become one",
    .run = run,
};
