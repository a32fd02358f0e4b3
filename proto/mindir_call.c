/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_call.c - one node being lowered: its arguments, whichever dialect stored them how.
 *
 * Until 2.2 most arguments of an operator were attributes, since 2.3 they are operands behind the
 * tensors, in the order of the operator's definition. mir_bind makes one array of both, so that a
 * lowering function reads argument 2 and need not know. */
#include "proto/mindir.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ms_code fail(struct mir_call *c, ms_code code, const char *fmt, va_list ap)
{
    if (c->code == MS_OK) {
        c->code = code;
        ms_vfail(c->m->err, code, fmt, ap);
    }
    return c->code;
}

ms_code mir_bad(struct mir_call *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail(c, MS_INVALID_ARGUMENT, fmt, ap);
    va_end(ap);
    return c->code;
}

ms_code mir_unsupported(struct mir_call *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail(c, MS_UNIMPLEMENTED, fmt, ap);
    va_end(ap);
    return c->code;
}

/* ---- binding ---- */

static bool is_word(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* A default of the row: never from outside, so what cannot be read is our own mistake. */
static const struct mir_value *default_value(struct mir_call *c, const char *s, size_t n)
{
    const bool number = n > 0 && (isdigit((unsigned char)*s) || *s == '-');
    struct mir_value *v = mir_new(c->m, MIR_NONE);

    if (!v)
        return NULL;
    if (is_word(s, n, "()")) {
        v->kind = MIR_TUPLE;
    } else if (is_word(s, n, "true") || is_word(s, n, "false")) {
        v->kind = MIR_BOOL;
        v->dtype = MS_BOOL;
        v->i = *s == 't';
    } else if (*s == '\'') {
        v->kind = MIR_TEXT;
        v->text = ms_bytes(s + 1, n - 2);
    } else if (number && (memchr(s, '.', n) || memchr(s, 'e', n))) {
        v->kind = MIR_FLOAT;
        v->dtype = MS_F32;
        v->f = strtod(s, NULL);
    } else if (number) {
        v->kind = MIR_INT;
        v->dtype = MS_I64;
        v->i = strtoll(s, NULL, 10);
    }
    return v;
}

/* The attribute under one of the spellings "a|b". */
static const struct mir_value *spelled_attr(struct mir_call *c, const char *s, size_t n)
{
    char name[64];

    while (n > 0 && c->code == MS_OK) {
        const char *bar = memchr(s, '|', n);
        const size_t len = bar ? (size_t)(bar - s) : n;
        const struct mir_value *v;

        if (len < sizeof name) {
            memcpy(name, s, len);
            name[len] = '\0';
            v = mir_attr(c, name);
            if (v)
                return v;
        }
        s += bar ? len + 1 : len;
        n -= bar ? len + 1 : len;
    }
    return NULL;
}

/* One word of the row's args. */
static ms_code bind_word(struct mir_call *c, const char *word, size_t len)
{
    const char *equal = memchr(word, '=', len);
    const size_t name = equal ? (size_t)(equal - word) : len;
    const struct mir_value *v = spelled_attr(c, word, name);

    if (c->code != MS_OK)
        return c->code;
    if (!v && equal) {
        v = default_value(c, equal + 1, len - name - 1);
        if (!v)
            return mir_no_memory(c->m);
    }
    if (!v)
        return mir_bad(c, "argument %zu (%.*s) is missing", c->n_args, (int)name, word);
    c->arg[c->n_args++] = v;
    return MS_OK;
}

ms_code mir_bind(struct mir_call *c)
{
    const char *word = c->row->args;
    size_t given = 0;

    for (size_t i = 0; i < c->n_raw; i++) {
        if (c->raw[i]->kind == MIR_MONAD)
            continue;
        if (given == MIR_MAX_ARGS)
            return mir_bad(c, "more than %d arguments", MIR_MAX_ARGS);
        c->arg[given++] = c->raw[i];
    }
    for (; *word; word += *word == ' ') {
        const size_t len = strcspn(word, " ");

        if (c->n_args < given)
            c->n_args++;
        else
            MS_TRY(bind_word(c, word, len));
        word += len;
    }
    if (given > c->n_args)
        return mir_bad(c, "%zu arguments, but at most %zu are known", given, c->n_args);
    return MS_OK;
}

/* ---- attributes ---- */

const struct mir_value *mir_attr(struct mir_call *c, const char *name)
{
    const struct mir_value *v = NULL;

    for (size_t i = 0; i < c->n_attrs && c->code == MS_OK; i++) {
        if (!ms_bytes_eq(c->attrs[i].name, name))
            continue;
        c->code = mir_decode_attr(&c->m->decoder, &c->attrs[i], &v, c->m->err);
        if (c->code != MS_OK)
            ms_err_prefix(c->m->err, "attribute %s", name);
        return c->code == MS_OK ? v : NULL;
    }
    return NULL;
}

int64_t mir_attr_int(struct mir_call *c, const char *name, int64_t def)
{
    const struct mir_value *v = mir_attr(c, name);

    if (!v)
        return def;
    if (v->kind != MIR_INT && v->kind != MIR_BOOL)
        return mir_bad(c, "attribute %s is %s, not an integer", name, mir_kind_name(v));
    return v->i;
}

double mir_attr_float(struct mir_call *c, const char *name, double def)
{
    const struct mir_value *v = mir_attr(c, name);

    if (!v)
        return def;
    if (v->kind == MIR_FLOAT)
        return v->f;
    if (v->kind != MIR_INT && v->kind != MIR_BOOL)
        mir_bad(c, "attribute %s is %s, not a number", name, mir_kind_name(v));
    return (double)v->i;
}

bool mir_attr_bool(struct mir_call *c, const char *name, bool def)
{
    return mir_attr_int(c, name, def) != 0;
}

int mir_attr_ints(struct mir_call *c, const char *name, int64_t *out, int max)
{
    const struct mir_value *v = mir_attr(c, name);

    return v ? mir_ints_of(c, name, v, out, max) : -1;
}

int mir_choice(struct mir_call *c, const struct mir_value *v, const char *const *names)
{
    int count = 0;

    for (; names[count]; count++) {
        size_t k = 0;

        if (!v || v->kind != MIR_TEXT || strlen(names[count]) != v->text.len)
            continue;
        while (k < v->text.len && tolower(v->text.data[k]) == names[count][k])
            k++;
        if (k == v->text.len)
            return count;
    }
    if (v && v->kind == MIR_INT && v->i >= 0 && v->i < count)
        return (int)v->i;
    if (c->code == MS_OK && v && v->kind == MIR_TEXT)
        mir_unsupported(c, "the choice '%.*s' is not supported",
                        (int)(v->text.len < 60 ? v->text.len : 60), (const char *)v->text.data);
    else
        mir_unsupported(c, "a choice is not one that is known");
    return -1;
}

/* ---- arguments ---- */

static const struct mir_value *argument(struct mir_call *c, size_t i)
{
    if (c->code == MS_OK && i >= c->n_args)
        mir_bad(c, "argument %zu is missing", i);
    return c->code == MS_OK ? c->arg[i] : NULL;
}

bool mir_is_none(const struct mir_call *c, size_t i)
{
    return i >= c->n_args || c->arg[i]->kind == MIR_NONE;
}

bool mir_is_number(const struct mir_value *v)
{
    return v->kind == MIR_SCALAR || v->kind == MIR_INT || v->kind == MIR_FLOAT ||
           v->kind == MIR_BOOL;
}

/* The number that a value is now: a number, or a constant tensor of one element. */
static bool known_number(const struct mir_value *v, int64_t *i, double *f)
{
    const struct ms_tensor *t;

    if (v->kind == MIR_INT || v->kind == MIR_BOOL) {
        *i = v->i;
        *f = (double)v->i;
        return true;
    }
    if (v->kind == MIR_FLOAT) {
        *i = v->f >= -9e18 && v->f <= 9e18 ? (int64_t)v->f : 0;
        *f = v->f;
        return true;
    }
    t = v->kind == MIR_TENSOR || v->kind == MIR_SCALAR ? v->v->constant : NULL;
    if (!t || ms_tensor_count(t) != 1)
        return false;
    *i = ms_tensor_i64(t, 0);
    *f = ms_tensor_f64(t, 0);
    return true;
}

int64_t mir_int(struct mir_call *c, size_t i)
{
    const struct mir_value *v = argument(c, i);
    int64_t n = 0;
    double f;

    if (v && (v->kind == MIR_FLOAT || !known_number(v, &n, &f)))
        mir_bad(c, "argument %zu is %s, not a known integer", i, mir_kind_name(v));
    return n;
}

bool mir_bool(struct mir_call *c, size_t i)
{
    return mir_int(c, i) != 0;
}

double mir_float(struct mir_call *c, size_t i)
{
    const struct mir_value *v = argument(c, i);
    int64_t n;
    double f = 0.0;

    if (v && !known_number(v, &n, &f))
        mir_bad(c, "argument %zu is %s, not a known number", i, mir_kind_name(v));
    return f;
}

enum ms_dtype mir_type(struct mir_call *c, size_t i)
{
    const struct mir_value *v = argument(c, i);
    enum ms_dtype t = MS_DTYPE_NONE;

    if (v && v->kind == MIR_DTYPE)
        t = v->dtype;
    else if (v && v->kind == MIR_INT)
        t = mir_dtype_of_id(v->i);
    if (v && t == MS_DTYPE_NONE)
        mir_unsupported(c, "argument %zu names a data type that is not supported", i);
    return t;
}

bool mir_known_ints(struct mir_call *c, const struct mir_value *v)
{
    (void)c;
    if (v->kind == MIR_TENSOR || v->kind == MIR_SCALAR)
        return v->v->constant && v->v->shape.rank <= 1 &&
               (ms_dtype_kind(v->v->dtype) == MS_KIND_INT ||
                ms_dtype_kind(v->v->dtype) == MS_KIND_UINT);
    if (v->kind != MIR_TUPLE)
        return v->kind == MIR_INT || v->kind == MIR_BOOL;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->kind != MIR_INT && v->items[i]->kind != MIR_BOOL)
            return false;
    return true;
}

int mir_ints_of(struct mir_call *c, const char *what, const struct mir_value *v, int64_t *out,
                int max)
{
    size_t n = 1;

    if (!mir_known_ints(c, v)) {
        mir_bad(c, "%s is %s, not known integers", what, mir_kind_name(v));
        return 0;
    }
    if (v->kind == MIR_TUPLE)
        n = v->n;
    else if (v->kind == MIR_TENSOR || v->kind == MIR_SCALAR)
        n = ms_tensor_count(v->v->constant);
    if (n > (size_t)max) {
        mir_bad(c, "%s has %zu elements, at most %d make sense", what, n, max);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = v->kind == MIR_TUPLE                             ? v->items[i]->i
                 : v->kind == MIR_TENSOR || v->kind == MIR_SCALAR ? ms_tensor_i64(v->v->constant, i)
                                                                  : v->i;
    return (int)n;
}

int mir_ints(struct mir_call *c, size_t i, int64_t *out, int max)
{
    const struct mir_value *v = argument(c, i);
    char what[32];

    snprintf(what, sizeof what, "argument %zu", i);
    return v ? mir_ints_of(c, what, v, out, max) : 0;
}

struct ms_value *mir_tensor(struct mir_call *c, size_t i)
{
    const struct mir_value *v = argument(c, i);
    struct ms_value *t = v ? mir_as_tensor(c, v) : NULL;

    if (v && !t && c->m->err && strncmp(c->m->err->text, "argument", 8) != 0)
        ms_err_prefix(c->m->err, "argument %zu", i);
    return t;
}

struct ms_value *mir_tensor_opt(struct mir_call *c, size_t i)
{
    return c->code != MS_OK || mir_is_none(c, i) ? NULL : mir_tensor(c, i);
}

size_t mir_list(struct mir_call *c, size_t i, struct ms_value ***out)
{
    const struct mir_value *v = argument(c, i);
    const size_t n = v && v->kind == MIR_TUPLE ? v->n : 1;
    struct ms_value **list;

    if (!v)
        return 0;
    list = ms_arena_array(c->m->scratch, n, sizeof *list);
    if (!list || n > MIR_MAX_ITEMS) {
        c->code = list ? MS_OK : mir_no_memory(c->m);
        mir_bad(c, "a list of %zu tensors", n);
        return 0;
    }
    for (size_t k = 0; k < n && c->code == MS_OK; k++)
        list[k] = mir_as_tensor(c, v->kind == MIR_TUPLE ? v->items[k] : v);
    *out = list;
    return c->code == MS_OK ? n : 0;
}
