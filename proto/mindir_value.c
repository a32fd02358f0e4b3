/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_value.c - attributes and constants of MindIR files as values.
 *
 * Two notations exist. Files since 1.7 say by `type` what a value is, and nest tuples as `values`.
 * Older ones put scalars, lists and tensors side by side into arrays, and a small language in
 * ref_attr_name says how to put them together again:
 *
 *     scalar:value0      scalar:Tuple[value1,value2,],      tensor:value0      type:tensor0 none
 *
 * where valueN is the N-th of the arrays of numbers, texts or tensors. */
#include "proto/mindir_value.h"

#include <string.h>

enum { COPY_MAX = 64 << 10 }; /* bytes */

const char *mir_kind_name(const struct mir_value *v)
{
    static const char *const names[] = {
        [MIR_TENSOR] = "a tensor",        [MIR_SCALAR] = "a number", [MIR_INT] = "a number",
        [MIR_FLOAT] = "a number",         [MIR_BOOL] = "a bool",     [MIR_TEXT] = "text",
        [MIR_DTYPE] = "a type",           [MIR_NONE] = "None",       [MIR_MONAD] = "a monad",
        [MIR_TUPLE] = "a tuple",          [MIR_FUNC] = "a function", [MIR_CHOICE] = "a function",
        [MIR_AGAIN] = "a recursive call", [MIR_REFUSED] = "nothing",
    };
    return names[v->kind];
}

enum ms_dtype mir_dtype(int64_t data_type)
{
    static const uint8_t table[] = {
        [1] = MS_F32,  [2] = MS_U8,   [3] = MS_I8,     [4] = MS_U16,   [5] = MS_I16,
        [6] = MS_I32,  [7] = MS_I64,  [8] = MS_STRING, [9] = MS_BOOL,  [10] = MS_F16,
        [11] = MS_F64, [12] = MS_U32, [13] = MS_U64,   [16] = MS_BF16, [17] = MS_F64,
    };
    if (data_type < 0 || data_type >= (int64_t)sizeof table)
        return MS_DTYPE_NONE;
    return table[data_type];
}

enum ms_dtype mir_dtype_of_id(int64_t type_id)
{
    static const uint8_t table[] = {
        [30] = MS_BOOL, [32] = MS_I8,  [33] = MS_I16,  [34] = MS_I32, [35] = MS_I64,
        [37] = MS_U8,   [38] = MS_U16, [39] = MS_U32,  [40] = MS_U64, [42] = MS_F16,
        [43] = MS_F32,  [44] = MS_F64, [45] = MS_BF16,
    };
    if (type_id < 0 || type_id >= (int64_t)sizeof table)
        return MS_DTYPE_NONE;
    return table[type_id];
}

ms_code mir_dims(const struct mir_pb_tensor *t, struct ms_shape *s, struct ms_err *err)
{
    if (t->dims.n > MS_MAX_RANK)
        return ms_fail(err, MS_INVALID_ARGUMENT, "a tensor of rank %zu, at most %d is supported",
                       t->dims.n, MS_MAX_RANK);
    *s = ms_shape_scalar();
    for (size_t i = 0; i < t->dims.n; i++) {
        if (t->dims.v[i] < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "dim %zu of a constant is %lld", i,
                           (long long)t->dims.v[i]);
        s->dim[s->rank++] = t->dims.v[i];
    }
    return MS_OK;
}

static struct mir_value *new_value(const struct mir_decoder *d, enum mir_kind kind)
{
    struct mir_value *v = ms_arena_alloc(d->scratch, sizeof *v);

    if (v)
        v->kind = kind;
    return v;
}

static ms_code no_memory(struct ms_err *err)
{
    return ms_fail_oom(err, "MindIR values", sizeof(struct mir_value));
}

static ms_code tensor_bytes(const struct mir_decoder *d, const struct mir_pb_tensor *t,
                            struct ms_bytes *out, struct ms_err *err)
{
    if (t->external) {
        if (!d->external)
            return ms_fail(err, MS_INVALID_ARGUMENT, "a constant kept in another file");
        return d->external(d->arg, t->external, out, err);
    }
    *out = t->raw;
    return MS_OK;
}

/* Points at the bytes, or at a copy where they cannot be used as they lie: bools other than 0 and
 * 1, and small tensors at an address that their elements may not have (big ones the runtime copies
 * if a kernel needs it). */
static ms_code place(const struct mir_decoder *d, struct ms_tensor *t, struct ms_bytes raw,
                     struct ms_err *err)
{
    const bool aligned = (uintptr_t)raw.data % ms_dtype_size(t->dtype) == 0;
    bool normal = true;
    uint8_t *copy;

    for (size_t i = 0; t->dtype == MS_BOOL && i < raw.len; i++)
        normal &= raw.data[i] <= 1;
    t->data = (void *)(uintptr_t)raw.data;
    if (raw.len == 0 || (normal && (aligned || raw.len > COPY_MAX)))
        return MS_OK;
    t->data = copy = ms_arena_alloc(d->graph->arena, raw.len);
    if (!copy)
        return ms_fail_oom(err, "a constant", raw.len);
    memcpy(copy, raw.data, raw.len);
    for (size_t i = 0; !normal && i < raw.len; i++)
        copy[i] = copy[i] != 0;
    return MS_OK;
}

ms_code mir_decode_tensor(const struct mir_decoder *d, const struct mir_pb_tensor *t,
                          const struct mir_value **out, struct ms_err *err)
{
    const enum ms_dtype dtype = mir_dtype(t->data_type);
    struct mir_value *v = new_value(d, MIR_TENSOR);
    struct ms_tensor *tensor = ms_arena_alloc(d->graph->arena, sizeof *tensor);
    struct ms_shape shape;
    struct ms_bytes raw;

    if (!v || !tensor)
        return no_memory(err);
    if (dtype == MS_DTYPE_NONE || dtype == MS_STRING)
        return ms_fail(err, MS_UNIMPLEMENTED, "constants of data type %lld are not supported",
                       (long long)t->data_type);
    if (t->compression)
        return ms_fail(err, MS_UNIMPLEMENTED,
                       "compressed constants (compression_type %lld) are not supported",
                       (long long)t->compression);
    MS_TRY(mir_dims(t, &shape, err));
    MS_TRY(tensor_bytes(d, t, &raw, err));
    if (!ms_tensor_borrow(tensor, dtype, &shape, NULL))
        return ms_fail(err, MS_INVALID_ARGUMENT, "a constant's dims are too large");
    if (tensor->bytes != raw.len)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%zu bytes of data for a constant that needs %zu",
                       raw.len, tensor->bytes);
    MS_TRY(place(d, tensor, raw, err));
    v->v = ms_graph_constant(d->graph, NULL, tensor);
    v->dtype = dtype;
    *out = v;
    return v->v ? MS_OK : no_memory(err);
}

static bool has_data(const struct mir_pb_tensor *t)
{
    return t->external || ms_wire_has(&t->head, MIR_PB_TENSOR_RAW);
}

/* A tensor message is a constant if it holds data, else it names a type. */
static ms_code tensor_or_type(const struct mir_decoder *d, const struct mir_pb_tensor *t,
                              const struct mir_value **out, struct ms_err *err)
{
    struct mir_value *v;

    if (has_data(t))
        return mir_decode_tensor(d, t, out, err);
    v = new_value(d, MIR_DTYPE);
    if (!v)
        return no_memory(err);
    v->dtype = mir_dtype(t->data_type);
    *out = v;
    return MS_OK;
}

/* ---- numbers and texts, one at a time ---- */

/* Where the next number of a list comes from: element k of the array that `type` chooses. */
static ms_code number(const struct mir_decoder *d, int64_t type, int64_t i, double f,
                      struct ms_bytes s, const struct mir_value **out, struct ms_err *err)
{
    const enum ms_dtype dtype = mir_dtype(type);
    const enum ms_dtype_kind k = ms_dtype_kind(dtype);
    struct mir_value *v = new_value(d, MIR_INT);

    if (!v)
        return no_memory(err);
    v->dtype = dtype;
    if (k == MS_KIND_FLOAT) {
        v->kind = MIR_FLOAT;
        v->f = f;
    } else if (k == MS_KIND_TEXT) {
        v->kind = MIR_TEXT;
        v->text = s;
    } else if (k == MS_KIND_BOOL) {
        v->kind = MIR_BOOL;
        v->i = i != 0;
    } else if (k == MS_KIND_NONE) {
        return ms_fail(err, MS_UNIMPLEMENTED, "values of attribute type %lld are not supported",
                       (long long)type);
    } else {
        v->i = i;
    }
    *out = v;
    return MS_OK;
}

/* A number from the singular field. */
static ms_code single(const struct mir_decoder *d, const struct mir_pb_attr *a,
                      const struct mir_value **out, struct ms_err *err)
{
    return number(d, a->type, a->i, mir_dtype(a->type) == MS_F64 ? a->d : (double)a->f, a->s, out,
                  err);
}

/* Number k (from 0) of the arrays; the array that the type means must be that long. */
static ms_code listed(const struct mir_decoder *d, const struct mir_pb_attr *a, size_t k,
                      const struct mir_value **out, struct ms_err *err)
{
    const enum ms_dtype dtype = mir_dtype(a->type);
    const enum ms_dtype_kind kind = ms_dtype_kind(dtype);
    const size_t have = dtype == MS_F64         ? a->doubles.n
                        : kind == MS_KIND_FLOAT ? a->floats.n
                        : kind == MS_KIND_TEXT  ? a->strings.n
                                                : a->ints.n;
    if (k >= have)
        return ms_fail(err, MS_INVALID_ARGUMENT, "value %zu of %zu is asked for", k + 1, have);
    return number(d, a->type,
                  dtype != MS_F64 && kind != MS_KIND_FLOAT && kind != MS_KIND_TEXT ? a->ints.v[k]
                                                                                   : 0,
                  dtype == MS_F64         ? a->doubles.v[k]
                  : kind == MS_KIND_FLOAT ? (double)a->floats.v[k]
                                          : 0.0,
                  kind == MS_KIND_TEXT ? a->strings.v[k] : ms_bytes(NULL, 0), out, err);
}

/* ---- the notation by type (1.7 and newer) ---- */

static ms_code decode_typed(const struct mir_decoder *d, const struct mir_pb_attr *a, bool element,
                            const struct mir_value **out, struct ms_err *err);

static ms_code decode_tuple(const struct mir_decoder *d, const struct mir_pb_attr *a,
                            const struct mir_value **out, struct ms_err *err)
{
    struct mir_value *v = new_value(d, MIR_TUPLE);
    const struct mir_value **items = ms_arena_array(d->scratch, a->values.n, sizeof *items);

    if (!v || !items)
        return no_memory(err);
    for (size_t i = 0; i < a->values.n; i++)
        MS_TRY(decode_typed(d, &a->values.v[i], true, &items[i], err));
    v->items = items;
    v->n = a->values.n;
    *out = v;
    return MS_OK;
}

/* element: inside a tuple, where numbers stand in the arrays. */
static ms_code decode_typed(const struct mir_decoder *d, const struct mir_pb_attr *a, bool element,
                            const struct mir_value **out, struct ms_err *err)
{
    struct mir_value *v;

    switch (a->type) {
    case MIR_PB_TUPLE:
    case MIR_PB_LIST:
        return decode_tuple(d, a, out, err);
    case MIR_PB_TENSOR:
        if (!a->t)
            return ms_fail(err, MS_INVALID_ARGUMENT, "a tensor without its message");
        return tensor_or_type(d, a->t, out, err);
    case MIR_PB_TENSORS:
        if (a->tensors.n != 1)
            return ms_fail(err, MS_INVALID_ARGUMENT, "%zu tensors where one is expected",
                           a->tensors.n);
        return tensor_or_type(d, &a->tensors.v[0], out, err);
    case MIR_PB_UMONAD:
    case MIR_PB_IOMONAD:
    case MIR_PB_NONE:
    case MIR_PB_TYPE_NULL:
        v = new_value(d,
                      a->type == MIR_PB_UMONAD || a->type == MIR_PB_IOMONAD ? MIR_MONAD : MIR_NONE);
        *out = v;
        return v ? MS_OK : no_memory(err);
    default:
        return element ? listed(d, a, 0, out, err) : single(d, a, out, err);
    }
}

/* ---- the notation by ref_attr_name (up to 1.6) ---- */

struct grammar {
    const struct mir_decoder *d;
    const struct mir_pb_attr *a;
    struct ms_bytes left; /* of the text */
    int depth;
    struct ms_err *err;
};

static bool take(struct grammar *p, const char *word)
{
    const size_t n = strlen(word);

    if (p->left.len < n || memcmp(p->left.data, word, n) != 0)
        return false;
    p->left = ms_bytes(p->left.data + n, p->left.len - n);
    return true;
}

static ms_code bad_grammar(struct grammar *p)
{
    return ms_fail(p->err, MS_INVALID_ARGUMENT, "ref_attr_name '%.*s' cannot be read",
                   (int)(p->a->ref_attr_name.len < 80 ? p->a->ref_attr_name.len : 80),
                   (const char *)p->a->ref_attr_name.data);
}

/* valueN, tensorN: N; 0 means the singular field. */
static bool take_number(struct grammar *p, size_t *n)
{
    size_t digits = 0, v = 0;

    while (digits < p->left.len && p->left.data[digits] >= '0' && p->left.data[digits] <= '9') {
        if (digits >= 9)
            return false;
        v = v * 10 + (size_t)(p->left.data[digits++] - '0');
    }
    p->left = ms_bytes(p->left.data + digits, p->left.len - digits);
    *n = v;
    return digits > 0;
}

static ms_code leaf(struct grammar *p, const struct mir_value **out)
{
    const struct mir_pb_attr *a = p->a;
    size_t n;

    if ((!take(p, "value") && !take(p, "tensor")) || !take_number(p, &n))
        return bad_grammar(p);
    if (n == 0 && a->tensors.n == 0 && !a->t)
        return single(p->d, a, out, p->err);
    if (a->t && n == 0)
        return tensor_or_type(p->d, a->t, out, p->err);
    if (a->tensors.n == 0)
        return listed(p->d, a, n - 1, out, p->err);
    n -= n > 0; /* tensors count from 1, and value0 is the first too */
    if (n >= a->tensors.n)
        return ms_fail(p->err, MS_INVALID_ARGUMENT, "tensor %zu of %zu is asked for", n + 1,
                       a->tensors.n);
    return tensor_or_type(p->d, &a->tensors.v[n], out, p->err);
}

static ms_code item(struct grammar *p, const struct mir_value **out);

/* What stands between [ and ]. */
static ms_code list(struct grammar *p, const struct mir_value **out)
{
    struct mir_value *v = new_value(p->d, MIR_TUPLE);
    const struct mir_value **items = NULL;
    size_t cap = 0;

    if (!v)
        return no_memory(p->err);
    if (p->depth >= 16)
        return bad_grammar(p);
    p->depth++;
    while (!take(p, "]")) {
        if (v->n == cap) {
            const struct mir_value **grown;

            cap = cap ? cap * 2 : 8;
            grown = ms_arena_array(p->d->scratch, cap, sizeof *grown);
            if (!grown)
                return no_memory(p->err);
            if (v->n)
                memcpy(grown, items, v->n * sizeof *grown);
            items = grown;
        }
        MS_TRY(item(p, &items[v->n]));
        v->n++;
        take(p, ",");
    }
    p->depth--;
    v->items = items;
    *out = v;
    return MS_OK;
}

static ms_code item(struct grammar *p, const struct mir_value **out)
{
    if (take(p, "Tuple[") || take(p, "List["))
        return list(p, out);
    return leaf(p, out);
}

static ms_code decode_grammar(const struct mir_decoder *d, const struct mir_pb_attr *a,
                              const struct mir_value **out, struct ms_err *err)
{
    struct grammar p = {.d = d, .a = a, .left = a->ref_attr_name, .err = err};
    struct mir_value *v;

    if (take(&p, "scalar:") || take(&p, "tensor:") || take(&p, "type:")) {
        MS_TRY(item(&p, out));
        take(&p, ",");
        return p.left.len ? bad_grammar(&p) : MS_OK;
    }
    if (take(&p, "none") || take(&p, "Monad:UMonad") || take(&p, "Monad:IOMonad")) {
        v = new_value(d, a->ref_attr_name.data[0] == 'n' ? MIR_NONE : MIR_MONAD);
        *out = v;
        return v ? MS_OK : no_memory(err);
    }
    return bad_grammar(&p);
}

ms_code mir_decode_attr(const struct mir_decoder *d, const struct mir_pb_attr *a,
                        const struct mir_value **out, struct ms_err *err)
{
    if (a->ref_attr_name.len > 0)
        return decode_grammar(d, a, out, err);
    return decode_typed(d, a, false, out, err);
}
