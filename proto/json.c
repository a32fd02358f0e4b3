/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - reads an infer request, numbers straight into tensors.
 *
 * Keys may come in any order. Where `data` comes before the shape or datatype that say how to read
 * it, its place is remembered and it is read when the input ends. */
#include "proto/json.h"

#include <string.h>

#include "proto/jscan.h"

struct input {
    struct ms_bytes datatype;
    int64_t dim[MS_MAX_RANK];
    size_t rank;
    bool has_shape, has_datatype, has_data;
    int64_t binary_size;  /* -1: not said */
    struct ms_bytes data; /* where `data` begins */
};

struct decoder {
    struct ms_predict *p;
    struct ms_request *r;
    struct ms_err *err;
    struct ms_jscan *s;
    struct ms_bytes body;
    size_t blob; /* where the next binary tensor begins */
    int cap_in, cap_want;
    bool *said; /* of each output asked for: binary_data was given */
};

static ms_code text(struct decoder *d, const char *what, const char **out)
{
    struct ms_bytes b;

    MS_TRY(ms_jscan_string(d->s, &b));
    if (b.len > 1024)
        return ms_jscan_fail(d->s, "%s is longer than 1024 bytes", what);
    *out = ms_arena_strndup(d->p->arena, b.data, b.len);
    return *out ? MS_OK : ms_fail_oom(d->err, what, b.len);
}

/* ---- parameters ---- */

static ms_code value(struct ms_jscan *s, struct ms_predict_value *v)
{
    bool b = false;

    *v = (struct ms_predict_value){0};
    switch (ms_jscan_peek(s)) {
    case MS_J_BOOL:
        v->kind = MS_VALUE_BOOL;
        MS_TRY(ms_jscan_bool(s, &b));
        v->i = b;
        return MS_OK;
    case MS_J_STRING:
        v->kind = MS_VALUE_TEXT;
        return ms_jscan_string(s, &v->text);
    case MS_J_NUMBER: {
        struct ms_jscan again = *s;
        struct ms_err ignored;
        again.err = &ignored;
        if (ms_jscan_u64(&again, &v->u) == MS_OK) {
            v->kind = MS_VALUE_UINT;
            return ms_jscan_skip(s);
        }
        again = *s;
        again.err = &ignored;
        if (ms_jscan_i64(&again, &v->i) == MS_OK) {
            v->kind = MS_VALUE_INT;
            return ms_jscan_skip(s);
        }
        v->kind = MS_VALUE_DOUBLE;
        return ms_jscan_f64(s, false, &v->d);
    }
    default:
        return ms_jscan_skip(s);
    }
}

static ms_code request_parameters(struct decoder *d)
{
    struct ms_predict_value v;
    struct ms_bytes key;

    MS_TRY(ms_jscan_object(d->s));
    while (ms_jscan_key(d->s, &key)) {
        MS_TRY(value(d->s, &v));
        MS_TRY(ms_predict_request_param(d->r, key, &v, d->err));
    }
    return ms_jscan_status(d->s);
}

static ms_code input_parameters(struct decoder *d, const char *name, int64_t *binary_size)
{
    struct ms_predict_value v;
    struct ms_bytes key;

    MS_TRY(ms_jscan_object(d->s));
    while (ms_jscan_key(d->s, &key)) {
        MS_TRY(value(d->s, &v));
        MS_TRY(ms_predict_input_param(name, key, &v, binary_size, d->err));
    }
    return ms_jscan_status(d->s);
}

static ms_code output_parameters(struct decoder *d, struct ms_req_output *o, bool *said)
{
    struct ms_predict_value v;
    struct ms_bytes key;

    MS_TRY(ms_jscan_object(d->s));
    while (ms_jscan_key(d->s, &key)) {
        MS_TRY(value(d->s, &v));
        MS_TRY(ms_predict_output_param(o, key, &v, d->err));
        *said |= ms_bytes_eq(key, "binary_data");
    }
    return ms_jscan_status(d->s);
}

/* ---- data ---- */

static ms_code element(struct ms_jscan *s, enum ms_dtype dtype, void *to)
{
    uint64_t u = 0;
    int64_t i = 0;
    bool b = false;

    switch (dtype) {
    case MS_F32:
        return ms_jscan_f32(s, true, to);
    case MS_F64:
        return ms_jscan_f64(s, true, to);
    case MS_STRING:
        return ms_jscan_string(s, to);
    case MS_BOOL:
        if (ms_jscan_peek(s) == MS_J_NUMBER) {
            MS_TRY(ms_jscan_u64(s, &u));
            if (u > 1)
                return ms_jscan_fail(s, "true, false, 0 or 1 expected");
            b = u == 1;
        } else {
            MS_TRY(ms_jscan_bool(s, &b));
        }
        *(uint8_t *)to = b;
        return MS_OK;
    default:
        break;
    }
    unsigned bits = (unsigned)ms_dtype_size(dtype) * 8;

    if (ms_dtype_kind(dtype) == MS_KIND_UINT) {
        MS_TRY(ms_jscan_u64(s, &u));
        if (bits < 64 && u >> bits)
            return ms_jscan_fail(s, "number does not fit %s", ms_dtype_oip(dtype));
        memcpy(to, &u, bits / 8); /* little endian */
        return MS_OK;
    }
    MS_TRY(ms_jscan_i64(s, &i));
    if (bits < 64 && (i < -(INT64_C(1) << (bits - 1)) || i >= INT64_C(1) << (bits - 1)))
        return ms_jscan_fail(s, "number does not fit %s", ms_dtype_oip(dtype));
    memcpy(to, &i, bits / 8);
    return MS_OK;
}

/* The elements of an array, or of arrays in it, in order of the text. */
static ms_code elements(struct ms_jscan *s, const struct ms_req_tensor *t, uint8_t *to, size_t want)
{
    size_t size = ms_dtype_size(t->tensor.dtype), n = 0;
    int base = s->depth;

    MS_TRY(ms_jscan_array(s));
    while (s->depth > base) {
        if (!ms_jscan_item(s)) {
            MS_TRY(ms_jscan_status(s));
            continue; /* left one array */
        }
        if (ms_jscan_peek(s) == MS_J_ARRAY) {
            MS_TRY(ms_jscan_array(s));
            continue;
        }
        if (n == want)
            return ms_jscan_fail(s, "input '%.100s': more data than the %zu elements of its shape",
                                 t->name, want);
        MS_TRY(element(s, t->tensor.dtype, to + n * size));
        n++;
    }
    if (n != want)
        return ms_jscan_fail(s, "input '%.100s': data holds %zu elements, its shape wants %zu",
                             t->name, n, want);
    return MS_OK;
}

static ms_code data(struct decoder *d, struct ms_jscan *s, struct ms_req_tensor *t)
{
    size_t want = ms_tensor_count(&t->tensor);

    if (t->tensor.dtype == MS_F16 || t->tensor.dtype == MS_BF16)
        return ms_jscan_fail(s, "input '%.100s': %s travels as binary data, not as JSON", t->name,
                             ms_dtype_oip(t->tensor.dtype));
    /* An element and its comma take two bytes: refuse before allocating for what cannot be there.
     */
    if (want > (size_t)(s->end - s->p) / 2 + 1)
        return ms_jscan_fail(s, "input '%.100s': data cannot hold the %zu elements of its shape",
                             t->name, want);
    t->tensor.data = ms_predict_alloc(d->p, t->tensor.bytes, d->err);
    if (!t->tensor.data)
        return d->err->code;
    return elements(s, t, t->tensor.data, want);
}

/* ---- inputs ---- */

static ms_code shape(struct decoder *d, struct input *in)
{
    MS_TRY(ms_jscan_array(d->s));
    while (ms_jscan_item(d->s)) {
        if (in->rank == (size_t)d->p->max_rank)
            return ms_jscan_fail(d->s, "more than %d dimensions", d->p->max_rank);
        MS_TRY(ms_jscan_i64(d->s, &in->dim[in->rank++]));
    }
    in->has_shape = true;
    return ms_jscan_status(d->s);
}

static ms_code input_field(struct decoder *d, struct ms_bytes key, struct ms_req_tensor *t,
                           struct input *in)
{
    struct ms_jscan *s = d->s;

    if (ms_bytes_eq(key, "name"))
        return text(d, "input name", &t->name);
    if (ms_bytes_eq(key, "datatype")) {
        in->has_datatype = true;
        return ms_jscan_string(s, &in->datatype);
    }
    if (ms_bytes_eq(key, "shape"))
        return shape(d, in);
    if (ms_bytes_eq(key, "parameters"))
        return input_parameters(d, *t->name ? t->name : "?", &in->binary_size);
    if (!ms_bytes_eq(key, "data"))
        return ms_jscan_skip(s);
    in->has_data = true;
    if (in->has_shape && in->has_datatype && *t->name) {
        MS_TRY(ms_predict_describe(d->p, t, in->datatype, in->dim, in->rank, d->err));
        return data(d, s, t);
    }
    ms_jscan_peek(s); /* past blanks */
    in->data = ms_bytes(s->p, (size_t)(s->end - s->p));
    s->special = true; /* what it says is judged when it is read */
    ms_code code = ms_jscan_skip(s);
    s->special = false;
    return code;
}

static ms_code binary(struct decoder *d, struct ms_req_tensor *t, int64_t size)
{
    size_t left = d->body.len - d->blob;

    if ((uint64_t)size > left)
        return ms_fail(
            d->err, MS_INVALID_ARGUMENT,
            "input '%.100s': binary_data_size is %lld, but %zu bytes are left of the body", t->name,
            (long long)size, left);
    MS_TRY(ms_predict_raw(d->p, t, &d->body, d->blob, (size_t)size, d->err));
    d->blob += (size_t)size;
    return MS_OK;
}

/* The tensor of an input whose object has been read. */
static ms_code finish(struct decoder *d, struct ms_req_tensor *t, struct input *in)
{
    struct ms_jscan again;

    if (!*t->name)
        return ms_jscan_fail(d->s, "an input without name");
    if (!in->has_shape || !in->has_datatype)
        return ms_jscan_fail(d->s, "input '%.100s' has no %s", t->name,
                             in->has_shape ? "datatype" : "shape");
    if (in->has_data && in->binary_size >= 0)
        return ms_jscan_fail(d->s, "input '%.100s' has both data and binary_data_size", t->name);
    if (in->has_data && !in->data.data)
        return MS_OK; /* read already */
    MS_TRY(ms_predict_describe(d->p, t, in->datatype, in->dim, in->rank, d->err));
    if (in->binary_size >= 0)
        return binary(d, t, in->binary_size);
    if (!in->has_data)
        return ms_jscan_fail(d->s, "input '%.100s' has no data", t->name);
    ms_jscan_init(&again, in->data, d->p->arena, d->err);
    again.max_depth = d->s->max_depth;
    return data(d, &again, t);
}

static ms_code room(struct decoder *d, void **list, int n, int *cap, size_t size)
{
    if (n < *cap)
        return MS_OK;
    if (n == d->p->max_tensors)
        return ms_predict_too_many(d->p, d->err);
    int bigger = *cap ? *cap * 4 : 4;
    if (bigger > d->p->max_tensors)
        bigger = d->p->max_tensors;
    void *more = ms_arena_array(d->p->arena, (size_t)bigger, size);

    if (!more)
        return ms_fail_oom(d->err, "request", (size_t)bigger * size);
    if (n)
        memcpy(more, *list, (size_t)n * size);
    *list = more;
    *cap = bigger;
    return MS_OK;
}

static ms_code inputs(struct decoder *d)
{
    struct ms_request *r = d->r;
    struct ms_bytes key;

    MS_TRY(ms_jscan_array(d->s));
    while (ms_jscan_item(d->s)) {
        struct input in = {.binary_size = -1};
        void *list = r->in;

        MS_TRY(room(d, &list, r->n_in, &d->cap_in, sizeof *r->in));
        r->in = list;
        struct ms_req_tensor *t = &r->in[r->n_in];
        t->name = "";
        MS_TRY(ms_jscan_object(d->s));
        while (ms_jscan_key(d->s, &key))
            MS_TRY(input_field(d, key, t, &in));
        MS_TRY(ms_jscan_status(d->s));
        MS_TRY(finish(d, t, &in));
        r->n_in++;
    }
    return ms_jscan_status(d->s);
}

static ms_code output(struct decoder *d, struct ms_req_output *o, bool *said)
{
    struct ms_bytes key;

    o->name = "";
    MS_TRY(ms_jscan_object(d->s));
    while (ms_jscan_key(d->s, &key)) {
        if (ms_bytes_eq(key, "name"))
            MS_TRY(text(d, "output name", &o->name));
        else if (ms_bytes_eq(key, "parameters"))
            MS_TRY(output_parameters(d, o, said));
        else
            MS_TRY(ms_jscan_skip(d->s));
    }
    MS_TRY(ms_jscan_status(d->s));
    return *o->name ? MS_OK : ms_jscan_fail(d->s, "an output without name");
}

static ms_code outputs(struct decoder *d)
{
    struct ms_request *r = d->r;

    MS_TRY(ms_jscan_array(d->s));
    while (ms_jscan_item(d->s)) {
        void *list = r->want;

        MS_TRY(room(d, &list, r->n_want, &d->cap_want, sizeof *r->want));
        r->want = list;
        MS_TRY(output(d, &r->want[r->n_want], &d->said[r->n_want]));
        r->n_want++;
    }
    return ms_jscan_status(d->s);
}

static ms_code top(struct decoder *d)
{
    struct ms_jscan *s = d->s;
    struct ms_bytes key;
    bool has_inputs = false;

    MS_TRY(ms_jscan_object(s));
    while (ms_jscan_key(s, &key)) {
        if (ms_bytes_eq(key, "id")) {
            MS_TRY(text(d, "id", &d->r->id));
        } else if (ms_bytes_eq(key, "parameters")) {
            MS_TRY(request_parameters(d));
        } else if (ms_bytes_eq(key, "inputs")) {
            has_inputs = true;
            MS_TRY(inputs(d));
        } else if (ms_bytes_eq(key, "outputs")) {
            MS_TRY(outputs(d));
        } else {
            MS_TRY(ms_jscan_skip(s));
        }
    }
    MS_TRY(ms_jscan_end(s));
    return has_inputs ? MS_OK : ms_jscan_fail(s, "the request has no inputs");
}

ms_code ms_json_decode(struct ms_predict *p, struct ms_bytes body, size_t header_len,
                       struct ms_request *r, struct ms_err *err)
{
    struct ms_jscan s;
    bool *said = ms_arena_array(p->arena, (size_t)p->max_tensors, sizeof *said);
    struct decoder d = {
        .p = p, .r = r, .err = err, .s = &s, .body = body, .blob = header_len, .said = said};

    if (header_len > body.len)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "Inference-Header-Content-Length is %zu, but the body has %zu bytes",
                       header_len, body.len);
    if (!said)
        return ms_fail_oom(err, "request", (size_t)p->max_tensors);
    r->id = "";
    ms_jscan_init(&s, ms_bytes(body.data, header_len), p->arena, err);
    s.max_depth = p->json_depth;
    MS_TRY(top(&d));
    if (d.blob != body.len)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%zu bytes follow the last binary tensor",
                       body.len - d.blob);
    for (int i = 0; i < r->n_want; i++)
        if (!said[i])
            r->want[i].binary = r->binary_default;
    return ms_predict_names(r, err);
}
