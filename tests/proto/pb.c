/* SPDX-License-Identifier: Apache-2.0 */
/* pb.c - see pb.h. */
#include "tests/proto/pb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/op.h"

struct ms_buf pb_new(void)
{
    struct ms_buf b;

    ms_buf_init(&b, (size_t)256 << 20);
    return b;
}

void pb_varint(struct ms_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        ms_buf_putc(b, (char)(v | 0x80));
    ms_buf_putc(b, (char)v);
}

void pb_int(struct ms_buf *b, unsigned number, int64_t v)
{
    pb_varint(b, number << 3);
    pb_varint(b, (uint64_t)v);
}

void pb_float(struct ms_buf *b, unsigned number, float v)
{
    pb_varint(b, number << 3 | 5);
    ms_buf_add(b, &v, sizeof v);
}

void pb_bytes(struct ms_buf *b, unsigned number, const void *data, size_t len)
{
    pb_varint(b, number << 3 | 2);
    pb_varint(b, len);
    ms_buf_add(b, data, len);
}

void pb_str(struct ms_buf *b, unsigned number, const char *s)
{
    pb_bytes(b, number, s, strlen(s));
}

void pb_msg(struct ms_buf *b, unsigned number, struct ms_buf *msg)
{
    pb_bytes(b, number, ms_buf_str(msg), msg->len);
    ms_buf_done(msg);
}

/* ---- ONNX ---- */

static struct ms_buf attr(const char *name, int type)
{
    struct ms_buf a = pb_new();

    pb_str(&a, 1, name);
    pb_int(&a, 20, type);
    return a;
}

void onnx_attr_int(struct ms_buf *b, const char *name, int64_t v)
{
    struct ms_buf a = attr(name, 2);

    pb_int(&a, 3, v);
    pb_msg(b, 5, &a);
}

void onnx_attr_float(struct ms_buf *b, const char *name, float v)
{
    struct ms_buf a = attr(name, 1);

    pb_float(&a, 2, v);
    pb_msg(b, 5, &a);
}

void onnx_attr_str(struct ms_buf *b, const char *name, const char *v)
{
    struct ms_buf a = attr(name, 3);

    pb_str(&a, 4, v);
    pb_msg(b, 5, &a);
}

void onnx_attr_ints(struct ms_buf *b, const char *name, const int64_t *v, int n)
{
    struct ms_buf a = attr(name, 7);

    for (int i = 0; i < n; i++)
        pb_int(&a, 8, v[i]);
    pb_msg(b, 5, &a);
}

void onnx_attr_tensor(struct ms_buf *b, const char *name, struct ms_buf *tensor)
{
    struct ms_buf a = attr(name, 4);

    pb_msg(&a, 5, tensor);
    pb_msg(b, 5, &a);
}

void onnx_attr_graph(struct ms_buf *b, const char *name, struct ms_buf *graph)
{
    struct ms_buf a = attr(name, 5);

    pb_msg(&a, 6, graph);
    pb_msg(b, 5, &a);
}

static void put_names(struct ms_buf *b, unsigned number, const char *names)
{
    while (names && *names) {
        const size_t n = strcspn(names, ",");

        pb_bytes(b, number, names, n);
        names += n + (names[n] == ',');
    }
}

void onnx_node_full(struct ms_buf *to, unsigned number, const char *domain, const char *name,
                    const char *op, const char *in, const char *out, struct ms_buf *attrs)
{
    struct ms_buf n = pb_new();

    put_names(&n, 1, in);
    put_names(&n, 2, out);
    pb_str(&n, 3, name);
    pb_str(&n, 4, op);
    if (*domain)
        pb_str(&n, 7, domain);
    if (attrs) {
        ms_buf_add(&n, ms_buf_str(attrs), attrs->len);
        ms_buf_done(attrs);
    }
    pb_msg(to, number, &n);
}

void onnx_node_add(struct ms_buf *graph, const char *op, const char *in, const char *out,
                   struct ms_buf *attrs)
{
    onnx_node_full(graph, 1, "", "", op, in, out, attrs);
}

void onnx_value_typed(struct ms_buf *graph, unsigned number, const char *name, int elem_type,
                      int rank, const int64_t *dims)
{
    struct ms_buf info = pb_new(), type = pb_new(), tensor = pb_new(), shape = pb_new();

    for (int i = 0; i < rank; i++) {
        struct ms_buf dim = pb_new();

        if (dims[i] >= 0)
            pb_int(&dim, 1, dims[i]);
        pb_msg(&shape, 1, &dim);
    }
    pb_int(&tensor, 1, elem_type);
    if (rank >= 0)
        pb_msg(&tensor, 2, &shape);
    else
        ms_buf_done(&shape);
    pb_msg(&type, 1, &tensor);
    pb_str(&info, 1, name);
    pb_msg(&info, 2, &type);
    pb_msg(graph, number, &info);
}

void onnx_value(struct ms_buf *graph, unsigned number, const char *name, int rank,
                const int64_t *dims)
{
    onnx_value_typed(graph, number, name, 1, rank, dims);
}

struct ms_buf onnx_raw(const char *name, int type, int rank, const int64_t *dims, const void *data,
                       size_t bytes)
{
    struct ms_buf t = pb_new();

    for (int i = 0; i < rank; i++)
        pb_int(&t, 1, dims[i]);
    pb_int(&t, 2, type);
    pb_str(&t, 8, name);
    pb_bytes(&t, 9, data, bytes);
    return t;
}

struct ms_buf onnx_model(int64_t opset, struct ms_buf *graph, struct ms_buf *rest)
{
    struct ms_buf m = pb_new(), o = pb_new();

    pb_int(&m, 1, 8);
    pb_msg(&m, 7, graph);
    pb_int(&o, 2, opset);
    pb_msg(&m, 8, &o);
    if (rest) {
        ms_buf_add(&m, ms_buf_str(rest), rest->len);
        ms_buf_done(rest);
    }
    return m;
}

/* ---- reading ---- */

static void read_into(struct loaded *r, const struct ms_source *src, bool checked)
{
    const struct ms_read_limits lim = ms_read_limits_default(src->main.len);
    const struct ms_format *f = ms_format_sniff(src->main);

    ms_arena_init(&r->arena, lim.max_heap);
    if (!f) {
        r->code = ms_fail(&r->err, MS_INVALID_ARGUMENT, "no format takes these bytes");
        return;
    }
    r->code = f->read(src, &lim, &r->arena, &r->g, &r->missing, &r->err);
    if (r->code != MS_OK || !checked)
        return;
    r->code = ms_graph_sort(r->g, &r->err);
    if (r->code == MS_OK)
        r->code = ms_graph_check(r->g, &r->err);
    if (r->code == MS_OK)
        r->code = ms_graph_infer(r->g, &r->err);
}

struct loaded load_model(const struct ms_buf *model, struct ms_source *src, bool checked)
{
    struct ms_source none = {0};
    struct loaded r = {0};

    ms_buf_init(&r.missing, 1 << 16);
    if (!src)
        src = &none;
    src->main = ms_bytes(model->data, model->len);
    read_into(&r, src, checked);
    ck_assert_int_eq(r.code, r.code == MS_OK ? MS_OK : r.err.code);
    if (r.code != MS_OK) { /* each refusal is one line that says something */
        ck_assert_uint_gt(strlen(r.err.text), 5);
        ck_assert_ptr_null(strchr(r.err.text, '\n'));
    }
    return r;
}

void loaded_done(struct loaded *r)
{
    ms_buf_done(&r->missing);
    ms_arena_done(&r->arena);
}

const char *ops_of(const struct ms_graph *g, char *dst, size_t size)
{
    size_t at = 0;

    dst[0] = '\0';
    ms_graph_each (g, n)
        if (at < size)
            at += (size_t)snprintf(dst + at, size - at, "%s%s", at ? " " : "", n->op->name);
    return dst;
}

bool have_ops(const char *test, const char *names)
{
    char one[64];

    while (*names) {
        const size_t n = strcspn(names, " ");

        snprintf(one, sizeof one, "%.*s", (int)n, names);
        if (!ms_op_find(one)) {
            printf("SKIP %s: operator %s is not linked in\n", test, one);
            return false;
        }
        names += n + (names[n] == ' ');
    }
    return true;
}

const char *models_dir(const char *test)
{
    const char *env = getenv("MS_MODELS"), *srcdir = getenv("srcdir");
    static char path[512];

    if (env && access(env, R_OK) == 0)
        return env;
    snprintf(path, sizeof path, "%s/../shared/models", srcdir ? srcdir : ".");
    if (access(path, R_OK) == 0)
        return path;
    printf("SKIP %s: no folder of models ($MS_MODELS, ../shared/models)\n", test);
    return NULL;
}
