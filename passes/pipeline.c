/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.c - the ordered list of passes, and the loop that runs and checks them.
 *
 * Order is meaning: constants first, so that patterns see them; patterns of several nodes before
 * the fusions that would take them apart; folding again at the end for what fusions exposed. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "passes/rewrite.h"

#define MS_PASSES                                                                                  \
    MS_PASS(ms_pass_inline_constants)                                                              \
    MS_PASS(ms_pass_remove_noop)                                                                   \
    MS_PASS(ms_pass_fold)                                                                          \
    MS_PASS(ms_pass_shape_chain)                                                                   \
    MS_PASS(ms_pass_fold) /* what shape-chain made constant */                                     \
    MS_PASS(ms_pass_merge_cast)                                                                    \
    MS_PASS(ms_pass_merge_reshape)                                                                 \
    MS_PASS(ms_pass_merge_transpose)                                                               \
    MS_PASS(ms_pass_dead_code)                                                                     \
    MS_PASS(ms_pass_cse)                                                                           \
    MS_PASS(ms_pass_fuse_layernorm)                                                                \
    MS_PASS(ms_pass_fuse_gelu)                                                                     \
    MS_PASS(ms_pass_fuse_hard_swish)                                                               \
    MS_PASS(ms_pass_fuse_swish)                                                                    \
    MS_PASS(ms_pass_fuse_channel_shuffle)                                                          \
    MS_PASS(ms_pass_dead_code) /* what the fusions left, so that sole readers are seen */          \
    MS_PASS(ms_pass_batchnorm_scale)                                                               \
    MS_PASS(ms_pass_conv_batchnorm)                                                                \
    MS_PASS(ms_pass_batchnorm_conv)                                                                \
    MS_PASS(ms_pass_conv_scale)                                                                    \
    MS_PASS(ms_pass_dead_code) /* what the patterns left has no readers that count */              \
    MS_PASS(ms_pass_transpose_matmul)                                                              \
    MS_PASS(ms_pass_fuse_attention)                                                                \
    MS_PASS(ms_pass_matmul_add)                                                                    \
    MS_PASS(ms_pass_conv_bias)                                                                     \
    MS_PASS(ms_pass_fuse_residual)                                                                 \
    MS_PASS(ms_pass_fuse_activation)                                                               \
    MS_PASS(ms_pass_shuffle_conv)                                                                  \
    MS_PASS(ms_pass_remove_noop)                                                                   \
    MS_PASS(ms_pass_assign_layout)                                                                 \
    MS_PASS(ms_pass_dead_code)

#define MS_PASS(record_) extern const struct ms_pass record_;
MS_PASSES
#undef MS_PASS

static const struct ms_pass *const pipeline[] = {
#define MS_PASS(record_) &record_,
    MS_PASSES
#undef MS_PASS
};

enum { N_PASSES = sizeof pipeline / sizeof *pipeline };
_Static_assert(N_PASSES <= MS_MAX_PASSES, "reports have room for every pass");

const struct ms_pass *ms_pass_at(int i)
{
    return i >= 0 && i < N_PASSES ? pipeline[i] : NULL;
}

void ms_pass_ctx_init(struct ms_pass_ctx *c, const struct ms_graph *g, size_t model_bytes)
{
    *c = (struct ms_pass_ctx){
        .fold_node_bytes = 16u << 20,
        .fold_total_bytes = model_bytes < SIZE_MAX / 2 ? model_bytes * 2 : SIZE_MAX,
        .deadline = MS_NEVER,
        .fuel = 64L * (g->n_nodes + 16),
    };
    if (c->fold_total_bytes < (1u << 20))
        c->fold_total_bytes = 1u << 20; /* a tiny file may still fold its index tables */
}

/* ---- which passes ---- */

/* Is name in the comma separated list? A leading '-' of an entry is looked for with minus. */
static bool listed(const char *list, const char *name, bool minus)
{
    size_t len = strlen(name);

    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        const char *entry = p + (minus && *p == '-');
        size_t entry_len = n - (size_t)(entry - p);
        if ((entry != p) == minus && entry_len == len && memcmp(entry, name, len) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static bool known(const char *name, size_t len)
{
    if ((len == 3 && memcmp(name, "all", 3) == 0) || (len == 4 && memcmp(name, "none", 4) == 0))
        return true;
    for (int i = 0; i < N_PASSES; i++)
        if (strlen(pipeline[i]->name) == len && memcmp(pipeline[i]->name, name, len) == 0)
            return true;
    return false;
}

static ms_code check_list(const char *list, struct ms_err *err)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        size_t minus = *p == '-';
        if (!known(p + minus, n - minus))
            return ms_fail(err, MS_INVALID_ARGUMENT, "passes: '%.*s' is not a pass", (int)n, p);
        p += n + (p[n] == ',');
    }
    return MS_OK;
}

static bool wanted(const char *which, const char *name)
{
    if (listed(which, name, true))
        return false;
    return listed(which, "all", false) || listed(which, name, false);
}

/* ---- running ---- */

static ms_code run_on(const struct ms_pass *p, struct ms_graph *g, struct ms_pass_ctx *c,
                      int *changed, struct ms_err *err)
{
    for (struct ms_node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_attrs; i++)
            if (n->attrs[i].type == MS_ATTR_GRAPH)
                MS_TRY(run_on(p, n->attrs[i].graph, c, changed, err));
    return p->run(g, c, changed, err);
}

static int count_nodes(const struct ms_graph *g)
{
    int count = 0;

    for (const struct ms_node *n = g->first; n; n = n->next) {
        count++;
        for (int i = 0; i < n->n_attrs; i++)
            if (n->attrs[i].type == MS_ATTR_GRAPH)
                count += count_nodes(n->attrs[i].graph);
    }
    return count;
}

static ms_code run_one(const struct ms_pass *p, struct ms_graph *g, struct ms_pass_ctx *c,
                       struct ms_pass_report *r, struct ms_err *err)
{
    int64_t start = ms_now();
    ms_code code;

    *r = (struct ms_pass_report){.name = p->name,
                                 .nodes_before = count_nodes(g),
                                 .const_bytes_before = ms_graph_const_bytes(g)};
    code = run_on(p, g, c, &r->changed, err);
    if (code == MS_OK && r->changed) {
        code = ms_graph_check(g, err);
        if (code == MS_OK)
            code = ms_graph_infer(g, err);
    }
    if (code != MS_OK) {
        ms_err_prefix(err, "pass %s", p->name);
        return code;
    }
    r->nodes_after = count_nodes(g);
    r->const_bytes_after = ms_graph_const_bytes(g);
    r->ns = ms_now() - start;
    return MS_OK;
}

ms_code ms_passes_run(struct ms_graph *g, const char *which, struct ms_pass_ctx *c,
                      struct ms_pass_report *report, int *n_report, struct ms_err *err)
{
    struct ms_pass_report scratch;
    int n = 0;

    *n_report = 0;
    which = which && *which ? which : "all";
    MS_TRY(check_list(which, err));
    for (int i = 0; i < N_PASSES; i++) {
        if (!wanted(which, pipeline[i]->name))
            continue;
        if (ms_now() >= c->deadline)
            return ms_fail(err, MS_DEADLINE_EXCEEDED, "pass %s: the load deadline has passed",
                           pipeline[i]->name);
        MS_TRY(run_one(pipeline[i], g, c, report ? &report[n] : &scratch, err));
        n++;
    }
    *n_report = n;
    return MS_OK;
}
