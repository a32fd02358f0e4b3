/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - a tensor as JSON: nested lists whose nesting is the shape,
 *
 *     [[1, 2.5], [3, "NaN"]]
 *
 * or an object with what the Open Inference Protocol calls a tensor:
 *
 *     {"shape": [2, 2], "datatype": "FP32", "data": [1, 2.5, 3, "NaN"]}
 *
 * Without a datatype it is the one that the model asks for. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "cli/input.h"

/* Filling goes element by element, row after row, through whatever nesting there is. */
struct filler {
    struct mindserve_tensor *t;
    size_t at, n;
    struct ms_err *err;
};

static ms_code no_value(struct filler *f)
{
    return ms_fail(f->err, MS_INVALID_ARGUMENT, "element %zu is not a value of %s", f->at,
                   mindserve_dtype_name(mindserve_tensor_dtype(f->t)));
}

/* JSON has no such numbers; they come as text. */
static bool special(const char *s, double *v)
{
    bool minus = *s == '-';

    if (strcmp(s, "NaN") == 0)
        *v = NAN;
    else if (strcmp(s + minus, "Infinity") == 0)
        *v = minus ? -INFINITY : INFINITY;
    else
        return false;
    return true;
}

static ms_code put(struct filler *f, const json_t *v)
{
    bool text = mindserve_tensor_dtype(f->t) == MINDSERVE_STRING, done;
    double number;

    if (f->at >= f->n)
        return ms_fail(f->err, MS_INVALID_ARGUMENT, "more values than the shape has");
    if (json_is_string(v) && text)
        done =
            mindserve_tensor_set_string(f->t, f->at, json_string_value(v), json_string_length(v));
    else if (json_is_string(v))
        done = special(json_string_value(v), &number) &&
               mindserve_tensor_set_number(f->t, f->at, number);
    else if (json_is_integer(v))
        done = mindserve_tensor_set_integer(f->t, f->at, json_integer_value(v));
    else if (json_is_boolean(v))
        done = mindserve_tensor_set_integer(f->t, f->at, json_is_true(v));
    else
        done = json_is_real(v) && mindserve_tensor_set_number(f->t, f->at, json_real_value(v));
    if (!done)
        return no_value(f);
    f->at++;
    return MS_OK;
}

/* depth: lists still to be opened; -1 where the shape was given and any nesting will do. */
static ms_code fill(struct filler *f, const json_t *v, int depth, const int64_t *dim)
{
    size_t n = json_array_size(v);

    if (!json_is_array(v))
        return depth > 0 ? ms_fail(f->err, MS_INVALID_ARGUMENT,
                                   "the list that ends at element %zu is not nested like the first",
                                   f->at)
                         : put(f, v);
    if (depth == 0 || (depth > 0 && (int64_t)n != *dim))
        return ms_fail(f->err, MS_INVALID_ARGUMENT,
                       "the list at element %zu has another length or depth than the first", f->at);
    for (size_t i = 0; i < n; i++)
        MS_TRY(
            fill(f, json_array_get(v, i), depth < 0 ? -1 : depth - 1, depth < 0 ? dim : dim + 1));
    return MS_OK;
}

static ms_code shape_of_lists(const json_t *v, int *rank, int64_t *dim, struct ms_err *err)
{
    *rank = 0;
    while (json_is_array(v)) {
        if (*rank == MINDSERVE_MAX_RANK)
            return ms_fail(err, MS_INVALID_ARGUMENT, "lists are nested deeper than %d",
                           MINDSERVE_MAX_RANK);
        dim[(*rank)++] = (int64_t)json_array_size(v);
        v = json_array_get(v, 0);
    }
    return MS_OK;
}

static ms_code shape_given(const json_t *v, int *rank, int64_t *dim, struct ms_err *err)
{
    *rank = (int)json_array_size(v);
    if (!json_is_array(v) || json_array_size(v) > MINDSERVE_MAX_RANK)
        return ms_fail(err, MS_INVALID_ARGUMENT, "shape: must be a list of at most %d numbers",
                       MINDSERVE_MAX_RANK);
    for (int i = 0; i < *rank; i++) {
        const json_t *d = json_array_get(v, (size_t)i);
        dim[i] = json_integer_value(d);
        if (!json_is_integer(d) || dim[i] < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "shape: dimension %d is not a number >= 0", i);
    }
    return MS_OK;
}

static ms_code build(const json_t *root, const struct mindserve_port *port,
                     struct mindserve_tensor **out, struct ms_err *err)
{
    const json_t *data = json_is_object(root) ? json_object_get(root, "data") : root;
    const json_t *shape = json_object_get(root, "shape");
    const char *datatype = json_string_value(json_object_get(root, "datatype"));
    enum mindserve_dtype t = port ? port->dtype : MINDSERVE_F32;
    int64_t dim[MINDSERVE_MAX_RANK];
    struct filler f = {.err = err};
    int rank;
    ms_code code;

    if (datatype)
        t = mindserve_dtype_from_name(datatype);
    if (!data || t == MINDSERVE_NONE)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       data ? "datatype: unknown" : "an object must have \"data\"");
    MS_TRY(shape ? shape_given(shape, &rank, dim, err) : shape_of_lists(data, &rank, dim, err));
    f.t = mindserve_tensor_new(t, rank, dim);
    if (!f.t)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the shape is too large");
    f.n = mindserve_tensor_count(f.t);
    code = fill(&f, data, shape ? -1 : rank, dim);
    if (code == MS_OK && f.at != f.n)
        code = ms_fail(err, MS_INVALID_ARGUMENT, "%zu values, the shape has %zu", f.at, f.n);
    if (code != MS_OK) {
        mindserve_tensor_free(f.t);
        return code;
    }
    *out = f.t;
    return MS_OK;
}

ms_code ms_cli_json_read(const uint8_t *bytes, size_t len, const struct mindserve_port *port,
                         struct mindserve_tensor **out, struct ms_err *err)
{
    json_error_t e;
    json_t *root = json_loadb((const char *)bytes, len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    ms_code code;

    if (!root)
        return ms_fail(err, MS_INVALID_ARGUMENT, "line %d, column %d: %s", e.line, e.column,
                       e.text);
    code = build(root, port, out, err);
    json_decref(root);
    return code;
}
