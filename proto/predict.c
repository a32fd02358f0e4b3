/* SPDX-License-Identifier: Apache-2.0 */
/* predict.c - ModelInferRequest, read where it lies.
 *
 * The message comes as a list of pieces (the transport's slices). A reader walks them; a second
 * reader cut from it walks a sub-message. Two passes: the first counts inputs, outputs and raw
 * contents, the second fills. Nothing is allocated whose size is not bounded by the message or by
 * max_tensors. */
#include "proto/predict.h"

#include <string.h>

#include "proto/predict_wire.h"

/* Fields that the protocol numbers. */
enum { REQ_MODEL = 1, REQ_VERSION, REQ_ID, REQ_PARAMETERS, REQ_INPUTS, REQ_OUTPUTS, REQ_RAW };
enum { IN_NAME = 1, IN_DATATYPE, IN_SHAPE, IN_PARAMETERS, IN_CONTENTS };

struct counts {
    int in, out, raw;
};

/* What the second pass remembers of an input besides the tensor. */
struct input {
    struct ms_wire_reader contents;
    bool has_contents;
};

struct decoder {
    struct ms_predict *p;
    struct ms_request *r;
    struct ms_err *err;
    struct input *input;
    struct ms_wire_reader *raw;
    int n_raw;
};

static ms_code broken(struct ms_err *err, const char *where)
{
    return ms_fail(err, MS_INVALID_ARGUMENT, "malformed ModelInferRequest in %s", where);
}

static ms_code count(const struct ms_predict *p, struct ms_wire_reader m, struct counts *c,
                     struct ms_err *err)
{
    struct ms_wire_tag t;

    *c = (struct counts){0};
    while (ms_wire_tag(&m, &t)) {
        c->in += t.field == REQ_INPUTS;
        c->out += t.field == REQ_OUTPUTS;
        c->raw += t.field == REQ_RAW;
        if (c->in > p->max_tensors || c->out > p->max_tensors || c->raw > p->max_tensors)
            return ms_predict_too_many(p, err);
        if (!ms_wire_skip(&m, &t))
            break;
    }
    return m.failed ? broken(err, "its fields") : MS_OK;
}

/* ---- parameters ---- */

static ms_code value(struct decoder *d, struct ms_wire_reader m, struct ms_predict_value *v)
{
    struct ms_wire_tag t;

    while (ms_wire_tag(&m, &t)) {
        if (t.field == 1 && t.type == MS_TAG_VARINT) {
            v->kind = MS_VALUE_BOOL;
            v->i = ms_wire_read_varint(&m) != 0;
        } else if (t.field == 2 && t.type == MS_TAG_VARINT) {
            v->kind = MS_VALUE_INT;
            v->i = (int64_t)ms_wire_read_varint(&m);
        } else if (t.field == 3 && t.type == MS_TAG_BYTES) {
            v->kind = MS_VALUE_TEXT;
            MS_TRY(ms_wire_text(&m, d->p->arena, "parameter", &v->text, d->err));
        } else if (t.field == 4 && t.type == MS_TAG_FIXED64) {
            v->kind = MS_VALUE_DOUBLE;
            ms_wire_copy(&m, &v->d, 8);
        } else if (t.field == 5 && t.type == MS_TAG_VARINT) {
            v->kind = MS_VALUE_UINT;
            v->u = ms_wire_read_varint(&m);
        } else {
            ms_wire_skip(&m, &t);
        }
    }
    return m.failed ? broken(d->err, "a parameter") : MS_OK;
}

/* One map entry: key 1, value 2. */
static ms_code parameter(struct decoder *d, struct ms_wire_reader m, struct ms_bytes *key,
                         struct ms_predict_value *v)
{
    struct ms_wire_tag t;
    struct ms_wire_reader sub;

    *key = ms_bytes("", 0);
    *v = (struct ms_predict_value){0};
    while (ms_wire_tag(&m, &t)) {
        if (t.field == 1 && t.type == MS_TAG_BYTES) {
            MS_TRY(ms_wire_text(&m, d->p->arena, "parameter name", key, d->err));
        } else if (t.field == 2 && ms_wire_sub(&m, &t, &sub)) {
            MS_TRY(value(d, sub, v));
        } else {
            ms_wire_skip(&m, &t);
        }
    }
    return m.failed ? broken(d->err, "a parameter") : MS_OK;
}

/* ---- inputs and outputs ---- */

static ms_code shape(struct ms_wire_reader *m, const struct ms_wire_tag *t, int64_t *dim,
                     size_t *rank, struct ms_err *err)
{
    struct ms_wire_reader packed;

    if (t->type == MS_TAG_VARINT) {
        if (*rank > MS_MAX_RANK)
            return ms_wire_read_varint(m), MS_OK; /* counted as too many already */
        int64_t v = (int64_t)ms_wire_read_varint(m);
        if (*rank < MS_MAX_RANK)
            dim[*rank] = v;
        ++*rank;
        return MS_OK;
    }
    if (!ms_wire_sub(m, t, &packed))
        return broken(err, "a shape");
    while (packed.left && !packed.failed) {
        int64_t v = (int64_t)ms_wire_read_varint(&packed);
        if (*rank < MS_MAX_RANK)
            dim[*rank] = v;
        if (++*rank > MS_MAX_RANK)
            break; /* refused by ms_predict_describe; no need to count on */
    }
    return packed.failed ? broken(err, "a shape") : MS_OK;
}

static ms_code input_field(struct decoder *d, struct ms_wire_reader *m, const struct ms_wire_tag *t,
                           struct ms_req_tensor *in, struct input *side)
{
    struct ms_predict_value v;
    struct ms_wire_reader sub;
    struct ms_bytes key;
    int64_t ignored = -1;

    if (t->field == IN_PARAMETERS && ms_wire_sub(m, t, &sub)) {
        MS_TRY(parameter(d, sub, &key, &v));
        return ms_predict_input_param(in->name ? in->name : "", key, &v, &ignored, d->err);
    }
    if (t->field == IN_CONTENTS && ms_wire_sub(m, t, &sub)) {
        if (side->has_contents)
            return ms_fail(d->err, MS_INVALID_ARGUMENT, "contents of an input are given twice");
        side->contents = sub;
        side->has_contents = true;
        return MS_OK;
    }
    ms_wire_skip(m, t);
    return MS_OK;
}

static ms_code input(struct decoder *d, struct ms_wire_reader m, struct ms_req_tensor *in,
                     struct input *side)
{
    struct ms_bytes name = {NULL, 0}, datatype = {NULL, 0};
    int64_t dim[MS_MAX_RANK];
    size_t rank = 0;
    struct ms_wire_tag t;

    in->name = "";
    while (ms_wire_tag(&m, &t)) {
        if (t.field == IN_NAME && t.type == MS_TAG_BYTES) {
            MS_TRY(ms_wire_text(&m, d->p->arena, "input name", &name, d->err));
            in->name = (const char *)name.data;
        } else if (t.field == IN_DATATYPE && t.type == MS_TAG_BYTES) {
            MS_TRY(ms_wire_text(&m, d->p->arena, "datatype", &datatype, d->err));
        } else if (t.field == IN_SHAPE) {
            MS_TRY(shape(&m, &t, dim, &rank, d->err));
        } else {
            MS_TRY(input_field(d, &m, &t, in, side));
        }
    }
    if (m.failed)
        return broken(d->err, "an input");
    return ms_predict_describe(d->p, in, datatype, dim, rank, d->err);
}

static ms_code output(struct decoder *d, struct ms_wire_reader m, struct ms_req_output *out)
{
    struct ms_predict_value v;
    struct ms_wire_reader sub;
    struct ms_bytes name, key;
    struct ms_wire_tag t;

    out->name = "";
    while (ms_wire_tag(&m, &t)) {
        if (t.field == 1 && t.type == MS_TAG_BYTES) {
            MS_TRY(ms_wire_text(&m, d->p->arena, "output name", &name, d->err));
            out->name = (const char *)name.data;
        } else if (t.field == 2 && ms_wire_sub(&m, &t, &sub)) {
            MS_TRY(parameter(d, sub, &key, &v));
            MS_TRY(ms_predict_output_param(out, key, &v, d->err));
        } else {
            ms_wire_skip(&m, &t);
        }
    }
    return m.failed ? broken(d->err, "an output") : MS_OK;
}

/* ---- the message ---- */

static ms_code text_field(struct decoder *d, struct ms_wire_reader *m, uint32_t field)
{
    struct ms_bytes text;

    MS_TRY(ms_wire_text(m, d->p->arena,
                        field == REQ_MODEL     ? "model name"
                        : field == REQ_VERSION ? "model version"
                                               : "id",
                        &text, d->err));
    if (field == REQ_MODEL)
        d->r->model = (const char *)text.data;
    else if (field == REQ_VERSION)
        d->r->version = (const char *)text.data;
    else
        d->r->id = (const char *)text.data;
    return MS_OK;
}

static ms_code field(struct decoder *d, struct ms_wire_reader *m, const struct ms_wire_tag *t)
{
    struct ms_request *r = d->r;
    struct ms_predict_value v;
    struct ms_wire_reader sub;
    struct ms_bytes key;

    if (t->field >= REQ_MODEL && t->field <= REQ_ID && t->type == MS_TAG_BYTES)
        return text_field(d, m, t->field);
    if (t->field < REQ_PARAMETERS || t->field > REQ_RAW) {
        ms_wire_skip(m, t);
        return MS_OK;
    }
    if (!ms_wire_sub(m, t, &sub))
        return broken(d->err, "its fields");
    switch (t->field) {
    case REQ_PARAMETERS:
        MS_TRY(parameter(d, sub, &key, &v));
        return ms_predict_request_param(r, key, &v, d->err);
    case REQ_INPUTS:
        MS_TRY(input(d, sub, &r->in[r->n_in], &d->input[r->n_in]));
        r->n_in++;
        return MS_OK;
    case REQ_OUTPUTS:
        MS_TRY(output(d, sub, &r->want[r->n_want]));
        r->n_want++;
        return MS_OK;
    default:
        d->raw[d->n_raw++] = sub;
        return MS_OK;
    }
}

static ms_code contents(struct decoder *d)
{
    struct ms_request *r = d->r;

    if (d->n_raw && d->n_raw != r->n_in)
        return ms_fail(d->err, MS_INVALID_ARGUMENT, "%d raw_input_contents for %d inputs", d->n_raw,
                       r->n_in);
    for (int i = 0; i < r->n_in; i++) {
        if (d->n_raw && d->input[i].has_contents)
            return ms_fail(d->err, MS_INVALID_ARGUMENT,
                           "input '%.100s' has both contents and raw_input_contents",
                           r->in[i].name);
        if (d->n_raw) {
            struct ms_wire_reader *w = &d->raw[i];
            MS_TRY(ms_predict_raw(d->p, &r->in[i], w->part, w->at, w->left, d->err));
        } else {
            struct ms_wire_reader none = {.part = NULL};
            MS_TRY(ms_predict_typed(
                d->p, &r->in[i], d->input[i].has_contents ? d->input[i].contents : none, d->err));
        }
    }
    return MS_OK;
}

ms_code ms_predict_decode(struct ms_predict *p, const struct ms_bytes *part, int n,
                          struct ms_request *r, struct ms_err *err)
{
    struct ms_wire_reader m = ms_wire_reader(part, n);
    struct decoder d = {.p = p, .r = r, .err = err};
    struct ms_wire_tag t;
    struct counts c;

    MS_TRY(count(p, m, &c, err));
    r->model = r->version = r->id = "";
    r->n_in = r->n_want = 0;
    r->in = ms_arena_array(p->arena, (size_t)c.in + 1, sizeof *r->in);
    r->want = ms_arena_array(p->arena, (size_t)c.out + 1, sizeof *r->want);
    d.input = ms_arena_array(p->arena, (size_t)c.in + 1, sizeof *d.input);
    d.raw = ms_arena_array(p->arena, (size_t)c.raw + 1, sizeof *d.raw);
    if (!r->in || !r->want || !d.input || !d.raw)
        return ms_fail_oom(err, "request", (size_t)c.in * sizeof *r->in);
    while (ms_wire_tag(&m, &t))
        MS_TRY(field(&d, &m, &t));
    if (m.failed)
        return broken(err, "its fields");
    if (!*r->model)
        return ms_fail(err, MS_INVALID_ARGUMENT, "the request names no model");
    MS_TRY(ms_predict_names(r, err));
    return contents(&d);
}
