/* SPDX-License-Identifier: Apache-2.0 */
/* dead_code.c - drop nodes whose results nobody reads.
 *
 * One walk from the end: a node's readers stand behind it, so they are gone before it is looked at.
 * Inputs of If and Loop that no branch reads any more go as well. */
#include "passes/rewrite.h"

static bool is_dead(const struct ms_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i]->n_uses)
            return false;
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    (void)c;
    (void)err;
    for (struct ms_node *n = g->last, *prev; n; n = prev) {
        prev = n->prev;
        if (is_dead(n)) {
            ms_node_remove(n);
            ++*changed;
        }
    }
    return MS_OK;
}

const struct ms_pass ms_pass_dead_code = {
    .name = "dead-code",
    .help = "drop nodes whose results nobody reads",
    .run = run,
};
