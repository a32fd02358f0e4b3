/* SPDX-License-Identifier: Apache-2.0 */
/* mindir.c - the format "mindir": header, forms on disk, and the names at the model's edge.
 *
 * MindSpore 1.1 to 2.10. The dialect is never asked for as a whole: each element shows by itself in
 * which notation it is written (see mindir_value.c and mindir_call.c). */
#include "proto/mindir.h"

#include <stdio.h>
#include <string.h>

/* ---- header ---- */

/* How encrypted files begin: blocks of AES-GCM, AES-CBC, SM4-CBC. */
static const char *encryption(struct ms_bytes file)
{
    static const char *const names[] = {"AES-GCM", "AES-CBC", "SM4-CBC"};
    const uint8_t *p = file.data;

    if (file.len < 4 || p[1] != 0x5E || p[2] != 0x3A || p[3] != 0x7F || p[0] < 0xD8 || p[0] > 0xDA)
        return NULL;
    return names[p[0] - 0xD8];
}

/* Field 1 a short text, field 2 "MindSpore": structure, not version. Encrypted files are ours too,
 * so that they are refused for what they are. */
static bool sniff(struct ms_bytes file)
{
    struct ms_wire_item item;

    if (encryption(file))
        return true;

    if (!ms_wire_next(&file, &item) || item.number != 1 || item.type != MS_WIRE_LENGTH ||
        item.bytes.len > 32)
        return false;
    return ms_wire_next(&file, &item) && item.number == 2 && item.type == MS_WIRE_LENGTH &&
           ms_bytes_eq(item.bytes, "MindSpore");
}

/* The input that MindSpore's obfuscate_model adds for its seed (dynamic_obfuscation.cc). */
static bool is_seed(struct ms_bytes name)
{
    static const char seed[] = "y_append";
    const size_t n = sizeof seed - 1;

    if (name.len < n || memcmp(name.data + name.len - n, seed, n) != 0)
        return false;
    return name.len == n || name.data[name.len - n - 1] == ':';
}

static ms_code check_header(struct mir *m)
{
    const struct mir_pb_model *pb = m->pb;

    if (pb->producer_name.len == 0 || pb->model_version.len == 0)
        return ms_fail(m->err, MS_INVALID_ARGUMENT,
                       "producer_name or model_version is missing: no MindIR model");
    if (pb->mind_ir_version < 0 || pb->mind_ir_version > MIR_MAX_VERSION)
        return ms_fail(m->err, MS_UNIMPLEMENTED,
                       "mind_ir_version %lld is newer than the %d that is supported",
                       (long long)pb->mind_ir_version, MIR_MAX_VERSION);
    if (ms_wire_has(&pb->head, MIR_PB_MODEL_LITTLE_ENDIAN) && !pb->little_endian)
        return ms_fail(m->err, MS_UNIMPLEMENTED, "big-endian weights are not supported");
    if (!pb->graph)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "the model has no graph");
    for (size_t i = 0; i < pb->graph->input.n; i++)
        if (is_seed(pb->graph->input.v[i].name))
            return ms_fail(m->err, MS_UNIMPLEMENTED,
                           "the model is obfuscated (obfuscate_model): export the original");
    return MS_OK;
}

/* ---- split models ---- */

/* A data file begins with 64 bytes, the first of which is 1 for little endian. */
enum { MIR_DATA_HEAD = 64 };

static ms_code open_external(void *arg, const struct mir_pb_external *e, struct ms_bytes *out,
                             struct ms_err *err)
{
    const struct mir *m = arg;
    const char *location = ms_arena_strndup(m->scratch, e->location.data, e->location.len);
    struct ms_bytes file;

    if (!location)
        return ms_fail_oom(err, "a file name", e->location.len);
    if (!m->src->open)
        return ms_fail(err, MS_FAILED_PRECONDITION, "its data is in '%s', which was not given",
                       location);
    MS_TRY(m->src->open(m->src->arg, location, &file, err));
    if (file.len < MIR_DATA_HEAD || file.data[0] != 1)
        return ms_fail(err, MS_INVALID_ARGUMENT, "'%s' is no little-endian data file of MindIR",
                       location);
    if (e->offset < 0 || e->length < 0 || (uint64_t)e->offset > file.len ||
        (uint64_t)e->length > file.len - (uint64_t)e->offset)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "%lld bytes at %lld are beyond the end of '%s' (%zu bytes)",
                       (long long)e->length, (long long)e->offset, location, file.len);
    *out = ms_bytes(file.data + e->offset, (size_t)e->length);
    return MS_OK;
}

/* ---- the edge ---- */

/* Text that no value of the main graph has yet: the wish, or the wish with _1, _2 ... */
static const char *unique(struct mir *m, struct ms_map *taken, const char *wish)
{
    const char *name = ms_arena_strdup(m->arena, wish);

    for (int i = 1; name && ms_map_gets(taken, name); i++)
        name = ms_arena_printf(m->arena, "%s_%d", wish, i);
    if (!name || !ms_map_put(taken, name, strlen(name), m))
        return NULL;
    return name;
}

/* What people call an input or a weight: the text behind the first ':'. */
static const char *input_name(struct mir *m, struct ms_map *taken, struct ms_bytes name)
{
    const uint8_t *colon = memchr(name.data, ':', name.len);
    const size_t skip =
        colon && colon + 1 < name.data + name.len ? (size_t)(colon + 1 - name.data) : 0;
    const char *text = ms_arena_strndup(m->scratch, name.data + skip, name.len - skip);

    return text ? unique(m, taken, text) : NULL;
}

static ms_code input_shape(struct mir *m, const struct mir_pb_tensor *t, struct ms_shape *s)
{
    *s = ms_shape_scalar();
    if (t->dims.n == 1 && t->dims.v[0] == -2) { /* not even the rank */
        *s = ms_shape_unknown();
        return MS_OK;
    }
    if (t->dims.n > MS_MAX_RANK)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "rank %zu, at most %d is supported", t->dims.n,
                       MS_MAX_RANK);
    for (size_t i = 0; i < t->dims.n; i++) {
        if (t->dims.v[i] < -1)
            return ms_fail(m->err, MS_INVALID_ARGUMENT, "dim %zu is %lld", i,
                           (long long)t->dims.v[i]);
        s->dim[s->rank++] = t->dims.v[i] >= 0 ? t->dims.v[i] : ms_syms_fresh(m->level->g->syms);
    }
    return MS_OK;
}

/* An input of the main graph: a tensor, or a number that comes as a 0-d tensor. */
static ms_code make_input(struct mir *m, struct ms_map *taken, const struct mir_pb_input *pb,
                          const struct mir_value **out)
{
    const struct mir_pb_tensor *t = pb->tensor.n ? &pb->tensor.v[0] : NULL;
    const char *name = input_name(m, taken, pb->name);
    bool scalar = false;
    struct ms_shape shape;

    if (!name)
        return mir_no_memory(m);
    if (pb->info && (pb->info->type == MIR_PB_UMONAD || pb->info->type == MIR_PB_IOMONAD)) {
        *out = mir_new(m, MIR_MONAD);
        return *out ? MS_OK : mir_no_memory(m);
    }
    if (!t && pb->info && pb->info->type == MIR_PB_SCALAR && pb->info->tensors.n == 1) {
        t = &pb->info->tensors.v[0];
        scalar = true;
    }
    if (!t || mir_dtype(t->data_type) == MS_DTYPE_NONE || mir_dtype(t->data_type) == MS_STRING)
        return ms_fail(m->err, MS_UNIMPLEMENTED, "input '%s' is no tensor of a supported type",
                       name);
    shape = ms_shape_scalar();
    if (!scalar && input_shape(m, t, &shape) != MS_OK)
        return ms_err_prefix(m->err, "input '%s'", name);
    struct ms_value *v = ms_graph_input(m->level->g, name, mir_dtype(t->data_type), &shape);
    if (!v)
        return mir_no_memory(m);
    *out = mir_new_tensor(m, v);
    if (*out && scalar) {
        struct mir_call c = {.m = m, .op = "input"};
        struct mir_value *number = mir_new(m, MIR_SCALAR);
        struct ms_value *one = mir_reshape(&c, v, (const int64_t[]){1}, 1);

        if (c.code != MS_OK)
            return c.code;
        if (number) {
            number->v = one;
            number->dtype = one->dtype;
        }
        *out = number;
    }
    return *out ? MS_OK : mir_no_memory(m);
}

static ms_code add_output(struct mir *m, struct ms_map *taken, const struct mir_value *v, int k)
{
    struct mir_call c = {.m = m, .op = "output"};
    struct ms_value *x = mir_as_tensor(&c, v);
    char wish[32];

    if (c.code != MS_OK)
        return c.code;
    /* an own value, so that it can have a name of its own */
    if (!x->producer || x->n_outputs > 0 || x->graph != m->level->g)
        x = mir_op(&c, "Identity", MIR_IN(x), NULL);
    if (c.code != MS_OK)
        return c.code;
    snprintf(wish, sizeof wish, "output_%d", k);
    const char *name = unique(m, taken, wish);
    if (!name)
        return mir_no_memory(m);
    ms_value_rename(x, name);
    return ms_graph_add_output(m->level->g, x, m->err);
}

/* Flattened depth first; monads are no results. */
static ms_code add_outputs(struct mir *m, struct ms_map *taken, const struct mir_value *v, int *k)
{
    if (v->kind == MIR_TUPLE) {
        for (size_t i = 0; i < v->n; i++)
            MS_TRY(add_outputs(m, taken, v->items[i], k));
        return MS_OK;
    }
    if (v->kind == MIR_MONAD)
        return MS_OK;
    if (*k >= MIR_MAX_ITEMS)
        return ms_fail(m->err, MS_RESOURCE_EXHAUSTED, "more than %d outputs", MIR_MAX_ITEMS);
    if (add_output(m, taken, v, *k) != MS_OK)
        return ms_err_prefix(m->err, "output %d", *k);
    ++*k;
    return MS_OK;
}

/* ---- missing operators ---- */

static bool is_known(const struct mir *m, const struct mir_pb_node *n, struct ms_bytes *op)
{
    const struct mir_name *target;

    *op = n->op_type;
    if (ms_bytes_eq(*op, "Constant"))
        return true;
    if (op->len > 5 && memcmp(op->data, "REF::", 5) == 0) {
        *op = ms_bytes(op->data + 5, op->len - 5);
        target = ms_map_get(&m->names, (const char *)op->data, op->len);
        if (target && target->kind != MIR_A_PRIMITIVE)
            return true; /* a call */
        if (target)
            *op = target->primitive->op_type;
    }
    return mir_row_find(m, *op) != NULL;
}

/* Every node whose operator is not in the table, so that a user sees them all at once. */
static ms_code check_operators(struct mir *m)
{
    struct ms_buf list;
    int missing = 0;
    ms_code code = MS_OK;
    char name[160], kind[160];

    ms_buf_init(&list, sizeof m->err->text);
    for (size_t g = 0; g < m->n_graphs; g++)
        for (size_t i = 0; i < m->graphs[g].pb->node.n; i++) {
            const struct mir_pb_node *n = &m->graphs[g].pb->node.v[i];
            struct ms_bytes op;

            if (is_known(m, n, &op))
                continue;
            ms_escape(kind, 128, op.data, op.len);
            ms_escape(name, 128, n->output.v[0].data, n->output.v[0].len);
            if (m->missing)
                ms_buf_printf(m->missing, "node %zu '%s': operator %s is not supported\n", i, name,
                              kind);
            if (list.len < 300)
                ms_buf_printf(&list, "%snode %zu '%s' (%s)", missing ? ", " : "", i, name, kind);
            missing++;
        }
    if (missing)
        code = ms_fail(m->err, MS_UNIMPLEMENTED,
                       "%d node%s use%s operators that are not supported: %s", missing,
                       missing > 1 ? "s" : "", missing > 1 ? "" : "s", ms_buf_str(&list));
    ms_buf_done(&list);
    return code;
}

/* ---- reading ---- */

static ms_code build(struct mir *m, struct ms_map *taken)
{
    struct mir_graph *g = &m->graphs[0];
    const struct mir_value *result, **args;
    int n_outputs = 0;

    args = ms_arena_array(m->scratch, g->pb->input.n, sizeof *args);
    if (!args)
        return mir_no_memory(m);
    for (size_t i = 0; i < g->pb->input.n; i++)
        MS_TRY(make_input(m, taken, &g->pb->input.v[i], &args[i]));
    MS_TRY(mir_walk(m, g, args, g->pb->input.n, false, &result));
    MS_TRY(add_outputs(m, taken, result, &n_outputs));
    if (n_outputs == 0)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "the model has no outputs");
    return MS_OK;
}

/* Weights get the names they have in training, after inputs and outputs had their choice. */
static ms_code name_weights(struct mir *m, struct ms_map *taken)
{
    for (size_t g = 0; g < m->n_graphs; g++)
        for (size_t i = 0; i < m->graphs[g].pb->parameter.n; i++) {
            const struct ms_bytes full = m->graphs[g].pb->parameter.v[i].name;
            const struct mir_value *v;
            const char *name = input_name(m, taken, full);

            if (!name)
                return mir_no_memory(m);
            MS_TRY(mir_lookup(m, full, &v));
            ms_value_rename(v->v, name);
        }
    return MS_OK;
}

static ms_code scan_and_decode(struct mir *m, struct mir_pb_model *pb)
{
    const struct ms_wire_limits lim = {.max_depth = m->lim->max_depth,
                                       .max_name = m->lim->max_name,
                                       .max_heap = m->lim->max_heap,
                                       .unknown_price = 0};

    if (encryption(m->src->main))
        return ms_fail(m->err, MS_UNIMPLEMENTED,
                       "the model is encrypted (%s): export it without enc_key",
                       encryption(m->src->main));
    MS_TRY(ms_wire_scan(m->src->main, &mir_pb_model_msg, &lim, NULL, m->err));
    MS_TRY(ms_wire_decode(m->src->main, &mir_pb_model_msg, m->scratch, pb, m->err));
    m->pb = pb;
    return check_header(m);
}

static size_t file_nodes(const struct mir_pb_model *pb)
{
    size_t n = pb->graph->node.n;

    for (size_t i = 0; i < pb->functions.n; i++)
        n += pb->functions.v[i].node.n;
    return n;
}

static ms_code run(struct mir *m, struct ms_map *taken, struct ms_graph **out)
{
    struct mir_pb_model pb;
    struct mir_level top = {.captures_end = &top.captures};

    MS_TRY(scan_and_decode(m, &pb));
    m->max_steps = 64 * file_nodes(&pb) + 10000;
    if (m->max_steps > m->lim->max_nodes)
        m->max_steps = m->lim->max_nodes;
    top.g = ms_graph_new(m->arena, NULL, "main");
    if (!top.g || !mir_rows_init(m))
        return mir_no_memory(m);
    m->level = &top;
    m->decoder = (struct mir_decoder){
        .graph = top.g, .scratch = m->scratch, .external = open_external, .arg = m};
    MS_TRY(mir_index(m));
    MS_TRY(check_operators(m));
    MS_TRY(build(m, taken));
    MS_TRY(name_weights(m, taken));
    MS_TRY(ms_graph_sort(top.g, m->err));
    *out = top.g;
    return MS_OK;
}

static ms_code read_model(const struct ms_source *src, const struct ms_read_limits *lim,
                          struct ms_arena *a, struct ms_graph **g, struct ms_buf *missing,
                          struct ms_err *err)
{
    struct ms_err own;
    struct ms_arena scratch;
    struct ms_map taken = {0};
    struct mir m = {.src = src,
                    .lim = lim,
                    .arena = a,
                    .scratch = &scratch,
                    .missing = missing,
                    .err = err ? err : &own};
    ms_code code;

    ms_arena_init(&scratch, lim->max_heap);
    code = run(&m, &taken, g);
    ms_map_done(&taken);
    ms_map_done(&m.names);
    ms_map_done(&m.rows);
    ms_arena_done(&scratch);
    return code;
}

MS_FORMAT(mindir) = {
    .name = "mindir",
    .platform = "mindspore_mindir",
    .suffix = ".mindir",
    .sniff = sniff,
    .read = read_model,
};
