/* SPDX-License-Identifier: Apache-2.0 */
/* transpose_matmul.c - MatMul of a Transpose that swaps the last two axes becomes a flag.
 *
 *     MatMul(a, Transpose(b, [.., n, n-1]))  ->  MatMul(a, b) {transB=1} */
#include "passes/rewrite.h"

static bool swaps_last_two(const struct ms_node *t)
{
    const struct ms_attr *perm = ms_attr_get(t, "perm");
    int rank = ms_in(t, 0)->shape.rank;

    if (rank < 2 || (!perm && rank != 2))
        return false;
    for (int i = 0; perm && i < perm->n; i++) {
        int64_t want = i == rank - 1 ? rank - 2 : i == rank - 2 ? rank - 1 : i;
        if (perm->n != rank || perm->ints[i] != want)
            return false;
    }
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    static const char *const flags[] = {"transA", "transB"};

    ms_graph_each (g, n) {
        for (int i = 0; ms_node_is(n, "MatMul") && i < 2; i++) {
            struct ms_node *t = ms_producer(ms_in(n, i), "Transpose");
            if (!t || !swaps_last_two(t) || !ms_pass_spend(c))
                continue;
            if (!ms_attr_set_int(n, flags[i], !ms_attr_int(n, flags[i])))
                return ms_fail_oom(err, flags[i], 0);
            ms_node_set_in(n, i, ms_in(t, 0));
            ++*changed;
        }
    }
    return MS_OK;
}

const struct ms_pass ms_pass_transpose_matmul = {
    .name = "transpose-matmul",
    .help = "a Transpose of the last two axes before MatMul becomes a flag",
    .run = run,
};
