/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - texts of options turned into numbers, with their bounds.
 *
 * Files, --set and the table's own defaults all come through here, so a default cannot be something
 * that a person could not write. */
#include "config/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}, {NULL, 0}};
static const struct unit time_units[] = {{"us", 1000},
                                         {"ms", 1000 * 1000},
                                         {"s", 1000 * 1000 * 1000},
                                         {"min", INT64_C(60000000000)},
                                         {"h", INT64_C(3600000000000)},
                                         {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum ms_option_type t)
{
    return t == MS_OPT_SIZE ? size_units : t == MS_OPT_TIME ? time_units : no_units;
}

/* The i-th word of "a|b|c"; false beyond the last. */
static bool choice_at(const char *choices, int i, const char **word, size_t *len)
{
    const char *p = choices;

    for (; i > 0; i--) {
        p = strchr(p, '|');
        if (!p)
            return false;
        p++;
    }
    *word = p;
    *len = strcspn(p, "|");
    return true;
}

static void bound_text(enum ms_option_type t, int64_t v, char *dst, size_t size)
{
    const struct unit *best = NULL;

    for (const struct unit *u = units_of(t); u->name; u++)
        if (v % u->factor == 0 && (v != 0 || !best))
            best = u;
    if (best)
        snprintf(dst, size, "%lld%s", (long long)(v / best->factor), best->name);
    else
        snprintf(dst, size, "%lld", (long long)v);
}

void ms_option_wants(const struct ms_option *o, char *dst, size_t size)
{
    static const char *const kinds[] = {
        [MS_OPT_BOOL] = "true or false",
        [MS_OPT_INT] = "a whole number",
        [MS_OPT_SIZE] = "a size (bytes, KiB, MiB, GiB)",
        [MS_OPT_TIME] = "a time (us, ms, s, min, h)",
        [MS_OPT_FLOAT] = "a number",
        [MS_OPT_TEXT] = "a text",
        [MS_OPT_ADDR] = "HOST:PORT or off",
        [MS_OPT_TEXTS] = "a list of texts",
        [MS_OPT_FLOATS] = "a list of numbers",
    };

    if (o->type != MS_OPT_CHOICE) {
        snprintf(dst, size, "%s", kinds[o->type]);
        return;
    }
    size_t at = (size_t)snprintf(dst, size, "one of");
    const char *word;
    size_t len;
    for (int i = 0; choice_at(o->choices, i, &word, &len) && at < size; i++)
        at += (size_t)snprintf(dst + at, size - at, "%s %.*s", i ? "," : "", (int)len, word);
}

static ms_code wrong(const struct ms_option *o, const struct ms_config_item *it, struct ms_err *err)
{
    char wants[160], got[80];

    ms_option_wants(o, wants, sizeof wants);
    return ms_fail(err, MS_INVALID_ARGUMENT, "%s: '%s' is not %s", o->key,
                   ms_escape(got, sizeof got, it->text, it->len), wants);
}

static ms_code out_of_range(const struct ms_option *o, const struct ms_config_item *it,
                            struct ms_err *err)
{
    char low[32], high[32], got[80];

    bound_text(o->type, o->low, low, sizeof low);
    bound_text(o->type, o->high, high, sizeof high);
    return ms_fail(err, MS_INVALID_ARGUMENT, "%s: %s is not between %s and %s", o->key,
                   ms_escape(got, sizeof got, it->text, it->len), low, high);
}

/* Digits, then a unit of the type; 0 needs none. */
static ms_code number(const struct ms_option *o, const struct ms_config_item *it, int64_t *out,
                      struct ms_err *err)
{
    size_t digits = 0;
    uint64_t v;

    while (digits < it->len && it->text[digits] >= '0' && it->text[digits] <= '9')
        digits++;
    if (it->quoted || digits == 0)
        return wrong(o, it, err);
    if (!ms_parse_u64(it->text, digits, INT64_MAX, &v))
        return out_of_range(o, it, err);

    const char *unit = it->text + digits;
    size_t unit_len = it->len - digits;
    for (const struct unit *u = units_of(o->type); u->name; u++) {
        if (strlen(u->name) != unit_len || strncmp(u->name, unit, unit_len) != 0)
            continue;
        if (__builtin_mul_overflow((int64_t)v, u->factor, out) || *out < o->low || *out > o->high)
            return out_of_range(o, it, err);
        return MS_OK;
    }
    if (unit_len == 0 && v == 0 && o->low == 0) {
        *out = 0;
        return MS_OK;
    }
    return wrong(o, it, err);
}

static ms_code real(const struct ms_option *o, const struct ms_config_item *it, double *out,
                    struct ms_err *err)
{
    char text[64], *end;

    if (it->quoted || it->len == 0 || it->len >= sizeof text ||
        strspn(it->text, "+-0123456789.eE") < it->len)
        return wrong(o, it, err);
    memcpy(text, it->text, it->len);
    text[it->len] = '\0';
    *out = strtod(text, &end);
    if (*end || !isfinite(*out))
        return wrong(o, it, err);
    return MS_OK;
}

static ms_code boolean(const struct ms_option *o, const struct ms_config_item *it, bool *out,
                       struct ms_err *err)
{
    struct ms_bytes b = ms_bytes(it->text, it->len);

    if (it->quoted || (!ms_bytes_eq(b, "true") && !ms_bytes_eq(b, "false")))
        return wrong(o, it, err);
    *out = ms_bytes_eq(b, "true");
    return MS_OK;
}

static ms_code choice(const struct ms_option *o, const struct ms_config_item *it, int *out,
                      struct ms_err *err)
{
    const char *word;
    size_t len;

    for (int i = 0; choice_at(o->choices, i, &word, &len); i++) {
        if (len == it->len && memcmp(word, it->text, len) == 0) {
            *out = i;
            return MS_OK;
        }
    }
    return wrong(o, it, err);
}

static ms_code text(const struct ms_option *o, const struct ms_config_item *it, char **out,
                    struct ms_err *err)
{
    if (it->len > 4096 || !ms_utf8_valid(it->text, it->len))
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: more than 4096 bytes or not UTF-8", o->key);
    if (o->type == MS_OPT_ADDR && !ms_bytes_eq(ms_bytes(it->text, it->len), "off")) {
        char addr[300], host[256];
        int port;

        if (it->len >= sizeof addr)
            return wrong(o, it, err);
        memcpy(addr, it->text, it->len);
        addr[it->len] = '\0';
        if (!ms_addr_split(addr, host, sizeof host, &port))
            return wrong(o, it, err);
    }
    char *copy = ms_strndup(it->text, it->len);
    if (!copy)
        return ms_fail_oom(err, o->key, it->len);
    ms_free(*out);
    *out = copy;
    return MS_OK;
}

static void texts_done(struct ms_texts *t)
{
    for (int i = 0; i < t->n; i++)
        ms_free(t->item[i]);
    ms_free(t->item);
    *t = (struct ms_texts){0};
}

static ms_code texts(const struct ms_option *o, const struct ms_config_item *items, int n,
                     struct ms_texts *out, struct ms_err *err)
{
    struct ms_texts t = {ms_calloc((size_t)n + 1, sizeof(char *)), 0};

    if (!t.item)
        return ms_fail_oom(err, o->key, (size_t)n * sizeof(char *));
    for (; t.n < n; t.n++) {
        ms_code code = text(o, &items[t.n], &t.item[t.n], err);
        if (code != MS_OK) {
            texts_done(&t);
            return code;
        }
    }
    texts_done(out);
    *out = t;
    return MS_OK;
}

static ms_code floats(const struct ms_option *o, const struct ms_config_item *items, int n,
                      struct ms_floats *out, struct ms_err *err)
{
    struct ms_floats f = {ms_calloc((size_t)n + 1, sizeof(double)), n};

    if (!f.item)
        return ms_fail_oom(err, o->key, (size_t)n * sizeof(double));
    for (int i = 0; i < n; i++) {
        ms_code code = real(o, &items[i], &f.item[i], err);
        if (code != MS_OK) {
            ms_free(f.item);
            return code;
        }
    }
    ms_free(out->item);
    *out = f;
    return MS_OK;
}

static ms_code store(const struct ms_option *o, void *field, const struct ms_config_item *items,
                     int n, struct ms_err *err)
{
    switch (o->type) {
    case MS_OPT_BOOL:
        return boolean(o, items, field, err);
    case MS_OPT_INT:
    case MS_OPT_SIZE:
    case MS_OPT_TIME:
        return number(o, items, field, err);
    case MS_OPT_FLOAT:
        return real(o, items, field, err);
    case MS_OPT_CHOICE:
        return choice(o, items, field, err);
    case MS_OPT_TEXT:
    case MS_OPT_ADDR:
        return text(o, items, field, err);
    case MS_OPT_TEXTS:
        return texts(o, items, n, field, err);
    case MS_OPT_FLOATS:
        return floats(o, items, n, field, err);
    }
    return ms_fail(err, MS_INTERNAL, "%s: option without a type", o->key);
}

ms_code ms_value_store(const struct ms_option *o, void *base, const struct ms_config_item *items,
                       int n, struct ms_err *err)
{
    MS_TRY(store(o, (char *)base + o->offset, items, n, err));
    *(bool *)((char *)base + o->has_offset) = true;
    return MS_OK;
}

void ms_value_done(const struct ms_option *o, void *base)
{
    void *field = (char *)base + o->offset;

    if (o->type == MS_OPT_TEXT || o->type == MS_OPT_ADDR)
        ms_free(*(char **)field);
    else if (o->type == MS_OPT_TEXTS)
        texts_done(field);
    else if (o->type == MS_OPT_FLOATS)
        ms_free(((struct ms_floats *)field)->item);
}

/* Levenshtein distance of two short texts; larger than limit is not told apart. */
static int distance(const char *a, const char *b)
{
    enum { MAX = 96 };
    int row[MAX + 1];
    size_t la = strlen(a), lb = strlen(b);

    if (la > MAX || lb > MAX)
        return MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[lb];
}

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');

    return dot ? dot + 1 : key;
}

const char *ms_option_nearest(const struct ms_option *table, int n, const char *key)
{
    const char *best = NULL;
    int least = 1 + (int)strlen(key) / 3;

    for (int i = 0; i < n; i++) {
        /* The right name in the wrong group is as near as one slip of the finger. */
        int d =
            strcmp(last_part(table[i].key), last_part(key)) == 0 ? 1 : distance(table[i].key, key);
        if (d <= least && (!best || d < least)) {
            least = d;
            best = table[i].key;
        }
    }
    return best;
}
