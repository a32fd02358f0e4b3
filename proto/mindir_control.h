/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_control.h - what If (mindir_control.c) and Loop (mindir_loop.c) share. */
#ifndef MS_PROTO_MINDIR_CONTROL_H
#define MS_PROTO_MINDIR_CONTROL_H

#include "proto/mindir.h"

/* A value's tensors and numbers in order. */
struct mir_leaves {
    const struct mir_value **at;
    size_t n, cap;
};

/* Makes g the graph being built; values of the ones around it are captured as they are used. */
void mir_level_open(struct mir *m, struct mir_level *l, struct ms_graph *g);
void mir_level_close(struct mir *m, struct mir_level *l);
/* A sub-graph of the graph being built; NULL and an error if it is too deep. */
struct ms_graph *mir_new_graph(struct mir *m, const char *name);
/* Adds a node to the graph being built, named after `at`; mir_infer_node is the caller's. */
ms_code mir_add_node(struct mir *m, const struct mir_name *at, const char *op, struct ms_value **in,
                     int n_in, int n_out, struct ms_node **out);
/* v through an Identity of the graph being built, so that an output is never an input or shared. */
ms_code mir_own_value(struct mir *m, struct ms_value *v, struct ms_value **out);
/* A condition as a 0-d bool of the graph being built, negated if asked. */
ms_code mir_condition(struct mir *m, const struct mir_value *v, bool negate, struct ms_value **out);
/* Appends a value's leaves, depth first. */
ms_code mir_flatten(struct mir *m, const struct mir_value *v, struct mir_leaves *l);
/* The value with other leaves, taken from l at *k on. */
ms_code mir_rebuild(struct mir *m, const struct mir_value *v, const struct mir_leaves *l, size_t *k,
                    const struct mir_value **out);
bool mir_same_leaf(const struct mir_value *a, const struct mir_value *b);
/* A leaf as a tensor; numbers become [1] and stay numbers. */
ms_code mir_leaf_tensor(struct mir *m, const struct mir_value *v, struct ms_value **out);
/* The same as a value that nothing else is. */
ms_code mir_leaf_value(struct mir *m, const struct mir_value *v, struct ms_value **out);
/* A leaf of v's kind whose tensor is x. */
struct mir_value *mir_leaf_like(struct mir *m, const struct mir_value *v, struct ms_value *x);
/* Does a search from g along calls come to target? Loops being built block the way. */
ms_code mir_reaches(struct mir *m, struct mir_graph *g, const struct mir_graph *target, bool *yes);
bool mir_same_structure(const struct mir_value *a, const struct mir_value *b);

#endif
