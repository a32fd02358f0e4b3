/* SPDX-License-Identifier: Apache-2.0 */
/* merge_cast.c - Cast(Cast(x, A), B) -> Cast(x, B) where A holds every value of x's dtype.
 *
 * Also through bool on the way out: x -> A -> bool is x -> bool for such an A. Anything that loses
 * (f32 -> i32 -> f32) stays. */
#include "passes/rewrite.h"

/* Is every value of a also one of b, exactly? */
static bool holds(enum ms_dtype a, enum ms_dtype b)
{
    enum ms_dtype_kind ka = ms_dtype_kind(a), kb = ms_dtype_kind(b);
    size_t sa = ms_dtype_size(a), sb = ms_dtype_size(b);

    if (a == b)
        return true;
    if (ka == MS_KIND_BOOL)
        return kb == MS_KIND_FLOAT || kb == MS_KIND_INT || kb == MS_KIND_UINT;
    if (kb == MS_KIND_BOOL || ka == MS_KIND_TEXT || kb == MS_KIND_TEXT)
        return false;
    if (ka == MS_KIND_FLOAT)
        return kb == MS_KIND_FLOAT && sb > sa;
    if (kb == MS_KIND_FLOAT) /* 24 and 53 bits of precision */
        return (b == MS_F32 && sa <= 2) || (b == MS_F64 && sa <= 4);
    if (ka == MS_KIND_UINT)
        return sb > sa; /* also into a wider signed type */
    return kb == MS_KIND_INT && sb > sa;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    (void)err;
    ms_graph_each (g, n) {
        struct ms_node *inner = ms_node_is(n, "Cast") ? ms_producer(ms_in(n, 0), "Cast") : NULL;
        if (!inner || !holds(ms_in(inner, 0)->dtype, inner->out[0]->dtype))
            continue;
        if (!ms_pass_spend(c))
            break;
        ms_node_set_in(n, 0, ms_in(inner, 0));
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_merge_cast = {
    .name = "merge-cast",
    .help = "two casts in a row become one where the first loses nothing",
    .run = run,
};
