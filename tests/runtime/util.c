/* SPDX-License-Identifier: Apache-2.0 */
/* util.c - a format that reads the text form of graphs, and tensors made by hand. */
#include "tests/runtime/util.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "ir/op.h"

atomic_int releases;

static bool sniff(struct ms_bytes file)
{
    return file.len > 5 && memcmp(file.data, "graph", 5) == 0;
}

static ms_code read_text(const struct ms_source *src, const struct ms_read_limits *lim,
                         struct ms_arena *a, struct ms_graph **g, struct ms_buf *missing,
                         struct ms_err *err)
{
    (void)lim;
    (void)missing;
    return ms_graph_parse_text((const char *)src->main.data, src->main.len, a, g, err);
}

MS_FORMAT(text) = {
    .name = "text",
    .platform = "text",
    .suffix = ".txt",
    .sniff = sniff,
    .read = read_text,
};

static void released(void *arg)
{
    (void)arg;
    releases++;
}

struct ms_model *load_text(struct ms_engine *e, const char *text, const struct ms_model_opts *o,
                           struct ms_err *err)
{
    struct ms_source src = {.main = ms_bytes(text, strlen(text))};
    struct ms_model_opts none;
    struct ms_model *m;

    ms_model_opts_init(&none);
    none.passes = "none";
    none.name = "test";
    none.version = "1";
    return ms_model_load(e, &src, released, o ? o : &none, &m, err) == MS_OK ? m : NULL;
}

struct ms_model *must_load(struct ms_engine *e, const char *text)
{
    struct ms_err err = {0};
    struct ms_model *m = load_text(e, text, NULL, &err);

    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

struct ms_engine *must_engine(int threads)
{
    struct ms_engine_opts o;
    struct ms_engine *e;

    ms_engine_opts_init(&o);
    o.threads = threads;
    o.memory_budget = (size_t)1 << 30;
    ck_assert_int_eq(ms_engine_new(&o, &e, NULL), MS_OK);
    return e;
}

struct ms_tensor *tensor_f32(const float *v, int rank, const int64_t *dim)
{
    struct ms_shape s = ms_shape_of(rank, dim);
    struct ms_tensor *t = ms_tensor_new(MS_F32, &s);

    ck_assert_ptr_nonnull(t);
    memcpy(t->data, v, t->bytes);
    return t;
}

struct ms_tensor *tensor_random(uint64_t seed, int rank, const int64_t *dim)
{
    struct ms_shape s = ms_shape_of(rank, dim);
    struct ms_tensor *t = ms_tensor_new(MS_F32, &s);

    ck_assert_ptr_nonnull(t);
    for (size_t i = 0; i < ms_tensor_count(t); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ((float *)t->data)[i] = (float)((double)(seed >> 11) * 0x1p-53 * 2 - 1);
    }
    return t;
}
