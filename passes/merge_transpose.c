/* SPDX-License-Identifier: Apache-2.0 */
/* merge_transpose.c - Transpose(Transpose(x, p), q) -> Transpose(x, p after q). */
#include "passes/rewrite.h"

/* The permutation of a node; without attribute the dims are reversed. False if it is no permutation
 * of the rank. */
static bool perm_of(const struct ms_node *n, int64_t *perm, int *rank)
{
    const struct ms_attr *a = ms_attr_get(n, "perm");
    int r = ms_in(n, 0)->shape.rank;
    unsigned seen = 0;

    if (r < 0 || (a && a->n != r))
        return false;
    for (int i = 0; i < r; i++) {
        perm[i] = a ? a->ints[i] : r - 1 - i;
        if (perm[i] < 0 || perm[i] >= r || (seen >> perm[i] & 1))
            return false;
        seen |= 1u << perm[i];
    }
    *rank = r;
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        int64_t p[MS_MAX_RANK], q[MS_MAX_RANK], both[MS_MAX_RANK];
        int rank, rank2;
        struct ms_node *inner =
            ms_node_is(n, "Transpose") ? ms_producer(ms_in(n, 0), "Transpose") : NULL;
        if (!inner || !perm_of(inner, p, &rank) || !perm_of(n, q, &rank2))
            continue;
        if (!ms_pass_spend(c))
            break;
        for (int i = 0; i < rank; i++)
            both[i] = p[q[i]];
        if (!ms_attr_set_ints(n, "perm", both, rank))
            return ms_fail_oom(err, "permutation", 0);
        ms_node_set_in(n, 0, ms_in(inner, 0));
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_merge_transpose = {
    .name = "merge-transpose",
    .help = "two transposes in a row become one",
    .run = run,
};
