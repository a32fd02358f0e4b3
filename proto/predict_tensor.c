/* SPDX-License-Identifier: Apache-2.0 */
/* predict_tensor.c - what both wire forms share: memory, parameters, descriptions, raw bytes. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/jscan.h"
#include "proto/predict_wire.h"

struct ms_predict_block {
    struct ms_predict_block *next;
    void *data;
    size_t bytes;
};

enum { SMALL = 2048 }; /* bytes taken from the arena rather than the heap */

void ms_predict_init(struct ms_predict *p, struct ms_arena *a)
{
    *p = (struct ms_predict){.arena = a,
                             .max_tensors = MS_PREDICT_TENSORS,
                             .max_rank = MS_MAX_RANK,
                             .json_depth = MS_JSCAN_DEPTH};
}

void ms_predict_done(struct ms_predict *p)
{
    for (struct ms_predict_block *b = p->blocks; b; b = b->next)
        ms_aligned_free(b->data, b->bytes);
    p->blocks = NULL;
}

void *ms_predict_alloc(struct ms_predict *p, size_t bytes, struct ms_err *err)
{
    void *data;

    if (bytes <= SMALL) {
        data = ms_arena_alloc(p->arena, bytes + 64);
        if (data)
            return (void *)(((uintptr_t)data + 63) & ~(uintptr_t)63);
        ms_fail_oom(err, "tensor", bytes);
        return NULL;
    }
    if (p->charge && !p->charge(p->arg, bytes)) {
        ms_fail(err, MS_UNAVAILABLE, "no room for a tensor of %zu bytes at present", bytes);
        return NULL;
    }
    struct ms_predict_block *b = ms_arena_alloc(p->arena, sizeof *b);
    data = b ? ms_aligned_alloc(bytes) : NULL;
    if (!data) {
        ms_fail_oom(err, "tensor", bytes);
        return NULL;
    }
    *b = (struct ms_predict_block){p->blocks, data, bytes};
    p->blocks = b;
    return data;
}

/* ---- parameters ---- */

static bool number_of(const struct ms_predict_value *v, uint64_t *out)
{
    if (v->kind == MS_VALUE_UINT)
        *out = v->u;
    else if (v->kind == MS_VALUE_INT && v->i >= 0)
        *out = (uint64_t)v->i;
    else
        return false;
    return true;
}

static ms_code bad_value(struct ms_bytes key, struct ms_err *err)
{
    return ms_fail(err, MS_INVALID_ARGUMENT, "parameter '%.*s' has a value of the wrong type",
                   (int)(key.len < 64 ? key.len : 64), (const char *)key.data);
}

static bool starts(struct ms_bytes key, const char *s)
{
    size_t n = strlen(s);

    return key.len >= n && memcmp(key.data, s, n) == 0;
}

ms_code ms_predict_request_param(struct ms_request *r, struct ms_bytes key,
                                 const struct ms_predict_value *v, struct ms_err *err)
{
    uint64_t n = 0;

    if (ms_bytes_eq(key, "timeout")) { /* microseconds */
        if (!number_of(v, &n))
            return bad_value(key, err);
        if (n && n < (uint64_t)INT64_MAX / 2000) {
            int64_t at = r->times.received + (int64_t)n * MS_US;
            r->deadline = at < r->deadline ? at : r->deadline;
        }
        return MS_OK;
    }
    if (ms_bytes_eq(key, "priority")) {
        if (!number_of(v, &r->priority))
            return bad_value(key, err);
        return MS_OK;
    }
    if (ms_bytes_eq(key, "binary_data_output")) {
        if (v->kind != MS_VALUE_BOOL)
            return bad_value(key, err);
        r->binary_default = v->i != 0;
        return MS_OK;
    }
    if (ms_bytes_eq(key, "sequence_id")) {
        bool none = v->kind == MS_VALUE_TEXT ? v->text.len == 0 : number_of(v, &n) && n == 0;
        return none ? MS_OK
                    : ms_fail(err, MS_INVALID_ARGUMENT, "sequences are not offered by this server");
    }
    /* perf_analyzer asks decoupled models for a last, empty answer; here each request has one. */
    if (ms_bytes_eq(key, "triton_enable_empty_final_response"))
        return v->kind == MS_VALUE_BOOL ? MS_OK : bad_value(key, err);
    if (starts(key, "triton_"))
        return ms_fail(err, MS_INVALID_ARGUMENT, "parameter '%.*s' is reserved",
                       (int)(key.len < 64 ? key.len : 64), (const char *)key.data);
    return MS_OK;
}

static ms_code no_shared_memory(struct ms_err *err)
{
    return ms_fail(err, MS_INVALID_ARGUMENT, "shared memory is not offered by this server");
}

ms_code ms_predict_input_param(const char *input, struct ms_bytes key,
                               const struct ms_predict_value *v, int64_t *binary_size,
                               struct ms_err *err)
{
    uint64_t n;

    if (starts(key, "shared_memory_"))
        return no_shared_memory(err);
    if (!ms_bytes_eq(key, "binary_data_size"))
        return MS_OK;
    if (!number_of(v, &n) || n > INT64_MAX)
        return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.100s': binary_data_size is no size",
                       input);
    *binary_size = (int64_t)n;
    return MS_OK;
}

ms_code ms_predict_output_param(struct ms_req_output *o, struct ms_bytes key,
                                const struct ms_predict_value *v, struct ms_err *err)
{
    uint64_t n;

    if (starts(key, "shared_memory_"))
        return no_shared_memory(err);
    if (ms_bytes_eq(key, "classification")) {
        if (!number_of(v, &n) || n > 1024)
            return bad_value(key, err);
        o->classes = (int)n;
    } else if (ms_bytes_eq(key, "binary_data")) {
        if (v->kind != MS_VALUE_BOOL)
            return bad_value(key, err);
        o->binary = v->i != 0;
    }
    return MS_OK;
}

/* ---- tensors ---- */

ms_code ms_predict_describe(const struct ms_predict *p, struct ms_req_tensor *t,
                            struct ms_bytes datatype, const int64_t *dim, size_t rank,
                            struct ms_err *err)
{
    enum ms_dtype dtype = ms_dtype_from_oip((const char *)datatype.data, datatype.len);
    struct ms_tensor *x = &t->tensor;

    if (dtype == MS_DTYPE_NONE)
        return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.100s': unknown datatype '%.*s'", t->name,
                       (int)(datatype.len < 32 ? datatype.len : 32), (const char *)datatype.data);
    if (rank > (size_t)p->max_rank)
        return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.100s': more than %d dimensions", t->name,
                       p->max_rank);
    x->shape = (struct ms_shape){.rank = (int)rank};
    for (size_t i = 0; i < rank; i++) {
        if (dim[i] < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.100s': dimension %zu is negative",
                           t->name, i);
        x->shape.dim[i] = dim[i];
    }
    x->dtype = dtype;
    x->layout = MS_PLAIN;
    atomic_init(&x->refs, 1);
    if (!ms_shape_bytes(&x->shape, dtype, &x->bytes))
        return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.100s': its shape overflows", t->name);
    return MS_OK;
}

static ms_code wrong_length(const struct ms_req_tensor *t, size_t have, struct ms_err *err)
{
    char shape[128];

    ms_shape_text(shape, sizeof shape, &t->tensor.shape, NULL);
    return ms_fail(
        err, MS_INVALID_ARGUMENT, "input '%.100s': %zu bytes of data, but %s of shape %s wants %zu",
        t->name ? t->name : "0", have, ms_dtype_oip(t->tensor.dtype), shape, t->tensor.bytes);
}

/* Text elements: u32 length and bytes each. data is one run. */
static ms_code raw_strings(struct ms_predict *p, struct ms_req_tensor *t, const uint8_t *data,
                           size_t len, struct ms_err *err)
{
    size_t want = ms_tensor_count(&t->tensor), n = 0, at = 0;

    if (want > len / 4)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "input '%.100s': %zu bytes of data cannot hold %zu texts",
                       t->name ? t->name : "0", len, want);
    struct ms_bytes *out = ms_predict_alloc(p, t->tensor.bytes, err);
    if (!out)
        return err->code;
    for (; n < want; n++) {
        uint32_t size;
        if (len - at < 4)
            break;
        memcpy(&size, data + at, 4);
        at += 4;
        if (size > len - at)
            break;
        out[n] = ms_bytes(data + at, size);
        at += size;
    }
    if (n < want || at != len)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "input '%.100s': the lengths of its texts do not add up to the %zu bytes of "
                       "data at element %zu",
                       t->name ? t->name : "0", len, n);
    t->tensor.data = out;
    return MS_OK;
}

ms_code ms_predict_raw(struct ms_predict *p, struct ms_req_tensor *t, const struct ms_bytes *part,
                       size_t skip, size_t len, struct ms_err *err)
{
    struct ms_wire_reader r = {.part = part, .at = skip, .left = len};
    bool text = t->tensor.dtype == MS_STRING, boolean = t->tensor.dtype == MS_BOOL;
    size_t align = text ? 1 : ms_dtype_size(t->tensor.dtype);

    if (!text && len != t->tensor.bytes)
        return wrong_length(t, len, err);
    const void *here = boolean ? NULL : ms_wire_borrow(&r, len, align);
    if (!here) {
        uint8_t *copy = ms_predict_alloc(p, len, err);
        if (!copy)
            return err->code;
        ms_wire_copy(&r, copy, len);
        for (size_t i = 0; boolean && i < len; i++)
            copy[i] = copy[i] != 0;
        here = copy;
    }
    if (text)
        return raw_strings(p, t, here, len, err);
    t->tensor.data = (void *)(uintptr_t)here; /* inputs are only read */
    return MS_OK;
}

ms_code ms_predict_too_many(const struct ms_predict *p, struct ms_err *err)
{
    return ms_fail_because(err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                           "more than %d inputs or outputs", p->max_tensors);
}

ms_code ms_predict_names(const struct ms_request *r, struct ms_err *err)
{
    for (int i = 0; i < r->n_in; i++)
        for (int k = 0; k < i; k++)
            if (r->in[i].name && r->in[k].name && strcmp(r->in[i].name, r->in[k].name) == 0)
                return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.100s' is given twice",
                               r->in[i].name);
    for (int i = 0; i < r->n_want; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(r->want[i].name, r->want[k].name) == 0)
                return ms_fail(err, MS_INVALID_ARGUMENT, "output '%.100s' is asked for twice",
                               r->want[i].name);
    return MS_OK;
}

ms_code ms_predict_raw_result(struct ms_predict *p, const struct ms_tensor *t, struct ms_bytes *out,
                              struct ms_err *err)
{
    if (t->dtype != MS_STRING) {
        *out = ms_bytes(t->data, t->bytes);
        return MS_OK;
    }
    const struct ms_bytes *s = t->data;
    size_t n = ms_tensor_count(t), total = 0;

    for (size_t i = 0; i < n; i++)
        if (s[i].len > UINT32_MAX || !ms_add(total, s[i].len + 4, &total))
            return ms_fail(err, MS_RESOURCE_EXHAUSTED, "an output text is longer than 4 GiB");
    uint8_t *data = ms_predict_alloc(p, total, err);
    if (!data)
        return err->code;
    *out = ms_bytes(data, total);
    for (size_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)s[i].len;
        memcpy(data, &len, 4);
        if (len)
            memcpy(data + 4, s[i].data, len);
        data += 4 + len;
    }
    return MS_OK;
}

const struct ms_req_output *ms_predict_wish(const struct ms_request *r, const char *name)
{
    for (int i = 0; i < r->n_want; i++)
        if (strcmp(r->want[i].name, name) == 0)
            return &r->want[i];
    return NULL;
}
