/* SPDX-License-Identifier: Apache-2.0 */
/* subgraph.h - facts in and out of the sub-graphs of If and Loop.
 *
 * While a model is loaded, an operator's infer writes what it knows of the operands into the
 * sub-graph's inputs and infers it. Later (plans, runs) the graph is shared and immutable: infer
 * only reads what was recorded then. */
#ifndef MS_KERNELS_SUBGRAPH_H
#define MS_KERNELS_SUBGRAPH_H

#include "ir/op.h"

/* Is this call allowed to write into sub-graphs? */
static inline bool ms_sub_loading(const struct ms_infer *c)
{
    return c->arena == c->node->graph->arena;
}
/* Input i of g gets dtype and shape of a fact, and its contents if `contents`. Refused if g has no
 * such input or it is declared with another dtype. */
ms_code ms_sub_bind(const struct ms_infer *c, struct ms_graph *g, int i, const struct ms_fact *f,
                    bool contents);
/* The shape a value recorded at load has in any run: sizes stay, symbols become fresh ones. */
struct ms_shape ms_sub_shape(const struct ms_infer *c, const struct ms_value *v);
/* What two shapes have in common: equal sizes stay, others become fresh symbols, different ranks
 * give the unknown shape. */
struct ms_shape ms_sub_common(const struct ms_infer *c, const struct ms_shape *a,
                              const struct ms_shape *b);

#endif
