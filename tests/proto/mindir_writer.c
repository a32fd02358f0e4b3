/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_writer.c - see mindir_writer.h. Field numbers as in proto/mindir_pb.c. */
#include "tests/proto/mindir_writer.h"

#include <string.h>

void mw_tensor(struct ms_buf *b, unsigned number, const char *name, int dtype, int rank,
               const int64_t *dims, const void *data, size_t bytes)
{
    struct ms_buf t = pb_new();

    for (int i = 0; i < rank; i++)
        pb_int(&t, 1, dims[i]);
    pb_int(&t, 2, dtype);
    if (name)
        pb_str(&t, 7, name);
    if (data)
        pb_bytes(&t, 9, data, bytes);
    pb_msg(b, number, &t);
}

static struct ms_buf attr(const char *name, int type)
{
    struct ms_buf a = pb_new();

    if (name)
        pb_str(&a, 1, name);
    pb_int(&a, 16, type);
    return a;
}

void mw_int(struct ms_buf *b, const char *name, int64_t v)
{
    struct ms_buf a = attr(name, MW_I64);

    pb_int(&a, 3, v);
    pb_msg(b, 5, &a);
}

void mw_bool(struct ms_buf *b, const char *name, bool v)
{
    struct ms_buf a = attr(name, MW_BOOL);

    pb_int(&a, 3, v);
    pb_msg(b, 5, &a);
}

void mw_float(struct ms_buf *b, const char *name, float v)
{
    struct ms_buf a = attr(name, MW_F32);

    pb_float(&a, 2, v);
    pb_msg(b, 5, &a);
}

void mw_text(struct ms_buf *b, const char *name, const char *v)
{
    struct ms_buf a = attr(name, MW_STRING);

    pb_str(&a, 5, v);
    pb_msg(b, 5, &a);
}

void mw_tuple(struct ms_buf *b, const char *name, int n, const int64_t *v)
{
    struct ms_buf a = attr(name, 20);

    for (int i = 0; i < n; i++) {
        struct ms_buf item = attr(NULL, MW_I64);

        pb_int(&item, 10, v[i]);
        pb_msg(&a, 17, &item);
    }
    pb_msg(b, 5, &a);
}

void mw_type(struct ms_buf *b, const char *name, int type)
{
    struct ms_buf a = attr(name, type);

    pb_msg(b, 5, &a);
}

void mw_shape(struct ms_buf *b, int dtype, int rank, const int64_t *dims)
{
    struct ms_buf a = attr("shape", 19);

    mw_tensor(&a, 12, NULL, dtype, rank, dims, NULL, 0);
    pb_msg(b, 5, &a);
}

void mw_old(struct ms_buf *b, const char *name, const char *grammar, int type, int n,
            const int64_t *ints)
{
    struct ms_buf a = attr(name, type);

    pb_str(&a, 15, grammar);
    for (int i = 0; i < n; i++)
        pb_int(&a, strstr(grammar, "value0") ? 3 : 10, ints[i]);
    pb_msg(b, 5, &a);
}

void mw_old_shape(struct ms_buf *b, int dtype, int rank, const int64_t *dims)
{
    struct ms_buf a = pb_new();

    pb_str(&a, 15, "shape:shape1,");
    mw_tensor(&a, 12, "shape1", dtype, rank, dims, NULL, 0);
    pb_msg(b, 5, &a);
}

/* ---- graphs ---- */

struct ms_buf mw_graph(const char *name)
{
    struct ms_buf g = pb_new();

    pb_str(&g, 2, name);
    return g;
}

void mw_input(struct ms_buf *g, const char *name, int dtype, int rank, const int64_t *dims)
{
    struct ms_buf v = pb_new();

    pb_str(&v, 1, name);
    mw_tensor(&v, 2, NULL, dtype, rank, dims, NULL, 0);
    pb_msg(g, 5, &v);
}

void mw_parameter(struct ms_buf *g, const char *name, int rank, const int64_t *dims,
                  const float *data)
{
    size_t n = 1;

    for (int i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    mw_tensor(g, 3, name, MW_F32, rank, dims, data, n * sizeof *data);
}

void mw_output(struct ms_buf *g, const char *name)
{
    struct ms_buf v = pb_new();

    pb_str(&v, 1, name);
    pb_msg(g, 6, &v);
}

static void names(struct ms_buf *n, unsigned number, const char *list)
{
    while (*list) {
        const size_t len = strcspn(list, ",");

        pb_bytes(n, number, list, len);
        list += len + (list[len] == ',');
    }
}

void mw_node(struct ms_buf *g, const char *out, const char *op_type, const char *in,
             struct ms_buf *attrs)
{
    struct ms_buf n = pb_new();

    names(&n, 1, in);
    names(&n, 2, out);
    pb_str(&n, 4, op_type);
    if (attrs) {
        ms_buf_add(&n, ms_buf_str(attrs), attrs->len);
        ms_buf_done(attrs);
    }
    pb_msg(g, 1, &n);
}

void mw_constant(struct ms_buf *g, const char *name, struct ms_buf *value)
{
    mw_node(g, name, "Constant", "", value);
}

void mw_const_int(struct ms_buf *g, const char *name, int64_t v)
{
    struct ms_buf a = pb_new();

    mw_int(&a, "value", v);
    mw_constant(g, name, &a);
}

void mw_const_bool(struct ms_buf *g, const char *name, bool v)
{
    struct ms_buf a = pb_new();

    mw_bool(&a, "value", v);
    mw_constant(g, name, &a);
}

void mw_const_tuple(struct ms_buf *g, const char *name, int n, const int64_t *v)
{
    struct ms_buf a = pb_new();

    mw_tuple(&a, "value", n, v);
    mw_constant(g, name, &a);
}

void mw_const_f32(struct ms_buf *g, const char *name, float v)
{
    struct ms_buf a = attr("value", 19), list = pb_new();

    mw_tensor(&a, 12, "value0", MW_F32, 0, NULL, &v, sizeof v);
    pb_msg(&list, 5, &a);
    mw_constant(g, name, &list);
}

/* ---- models ---- */

struct ms_buf mw_model(int64_t mind_ir_version, struct ms_buf *main_graph)
{
    struct ms_buf m = pb_new();

    pb_str(&m, 1, mind_ir_version ? "0.1.1" : "0.1.0");
    pb_str(&m, 2, "MindSpore");
    pb_str(&m, 5, "2.10.0");
    pb_msg(&m, 7, main_graph);
    if (mind_ir_version)
        pb_int(&m, 13, mind_ir_version);
    return m;
}

void mw_function(struct ms_buf *model, struct ms_buf *graph)
{
    pb_msg(model, 8, graph);
}

void mw_primitive(struct ms_buf *model, const char *name, struct ms_buf *attrs)
{
    struct ms_buf p = pb_new();

    pb_str(&p, 1, name);
    pb_bytes(&p, 2, name, strcspn(name, ":"));
    if (attrs) { /* field 5 of a node is field 3 here */
        struct ms_bytes left = ms_bytes(ms_buf_str(attrs), attrs->len);

        while (left.len > 0) {
            size_t len = 0, at = 1;

            for (unsigned shift = 0;; shift += 7) {
                len |= (size_t)(left.data[at] & 127) << shift;
                if (left.data[at++] < 128)
                    break;
            }
            pb_bytes(&p, 3, left.data + at, len);
            left = ms_bytes(left.data + at + len, left.len - at - len);
        }
        ms_buf_done(attrs);
    }
    pb_msg(model, 12, &p);
}
