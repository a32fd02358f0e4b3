/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_writer.h - MindIR written by hand, in any dialect, right or wrong.
 *
 * Functions append to a buffer: graphs to a model, nodes to a graph, attributes to a list that is
 * given to a node. Names stand in lists between commas. Buffers passed as `struct ms_buf *` after
 * the first argument are freed. */
#ifndef MS_TESTS_PROTO_MINDIR_WRITER_H
#define MS_TESTS_PROTO_MINDIR_WRITER_H

#include "tests/proto/pb.h"

/* TensorProto.DataType */
enum { MW_F32 = 1, MW_I32 = 6, MW_I64 = 7, MW_STRING = 8, MW_BOOL = 9 };

/* A TensorProto as field `number`; data NULL: none (a type, or a shape). */
void mw_tensor(struct ms_buf *b, unsigned number, const char *name, int dtype, int rank,
               const int64_t *dims, const void *data, size_t bytes);

/* ---- attributes of type and values (1.7 and newer) ---- */
void mw_int(struct ms_buf *b, const char *name, int64_t v);
void mw_bool(struct ms_buf *b, const char *name, bool v);
void mw_float(struct ms_buf *b, const char *name, float v);
void mw_text(struct ms_buf *b, const char *name, const char *v);
void mw_tuple(struct ms_buf *b, const char *name, int n, const int64_t *v);
void mw_type(struct ms_buf *b, const char *name, int type); /* NONE, UMONAD: no payload */
/* What the file records of a result: one tensor. */
void mw_shape(struct ms_buf *b, int dtype, int rank, const int64_t *dims);
/* ---- the same as ref_attr_name (up to 1.6) ---- */
void mw_old(struct ms_buf *b, const char *name, const char *grammar, int type, int n,
            const int64_t *ints);
void mw_old_shape(struct ms_buf *b, int dtype, int rank, const int64_t *dims);

/* ---- graphs ---- */
struct ms_buf mw_graph(const char *name);
void mw_input(struct ms_buf *g, const char *name, int dtype, int rank, const int64_t *dims);
void mw_parameter(struct ms_buf *g, const char *name, int rank, const int64_t *dims,
                  const float *data);
void mw_output(struct ms_buf *g, const char *name);
void mw_node(struct ms_buf *g, const char *out, const char *op_type, const char *in,
             struct ms_buf *attrs);
/* A Constant node; value holds one attribute. */
void mw_constant(struct ms_buf *g, const char *name, struct ms_buf *value);
void mw_const_int(struct ms_buf *g, const char *name, int64_t v);
void mw_const_bool(struct ms_buf *g, const char *name, bool v);
void mw_const_tuple(struct ms_buf *g, const char *name, int n, const int64_t *v);
void mw_const_f32(struct ms_buf *g, const char *name, float v); /* 0-d tensor */

/* ---- models ---- */
struct ms_buf mw_model(int64_t mind_ir_version, struct ms_buf *main_graph);
void mw_function(struct ms_buf *model, struct ms_buf *graph);
/* "Op:1" for op "Op"; attrs may be NULL. */
void mw_primitive(struct ms_buf *model, const char *name, struct ms_buf *attrs);

#endif
