/* SPDX-License-Identifier: Apache-2.0 */
/* offline.c - loading a file in this process, and what several commands print. */
#include "cli/offline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/input.h"

#define LOCAL_NAME "model"

int ms_cli_offline_load(struct ms_cli *c, const char *path, const struct mindserve_options *how,
                        const struct mindserve_deploy_options *opts, struct ms_cli_offline *o)
{
    struct mindserve_deploy_options none = MINDSERVE_DEPLOY_INIT;
    struct mindserve_error err;
    int code;

    *o = (struct ms_cli_offline){0};
    if (opts)
        none = *opts;
    none.name = LOCAL_NAME;
    code = ms_cli_local(c, how, &o->ms);
    if (code != MS_EXIT_OK)
        return code;
    if (mindserve_deploy(o->ms, path, &none, &o->deployed, &err) != MINDSERVE_OK ||
        mindserve_show(o->ms, LOCAL_NAME, 0, false, &o->info, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    return MS_EXIT_OK;
}

void ms_cli_offline_done(struct ms_cli_offline *o)
{
    mindserve_info_free(o->info);
    mindserve_deployed_free(o->deployed);
    mindserve_close(o->ms);
}

/* ---- labels ---- */

int ms_cli_labels_read(struct ms_cli *c, const char *path, struct ms_cli_labels *l)
{
    struct ms_err err;
    size_t len, lines = 1;
    uint8_t *bytes;

    *l = (struct ms_cli_labels){0};
    if (ms_cli_file_read(path, 16 << 20, &bytes, &len, &err) != MS_OK)
        return ms_cli_fail(c, "%s", err.text);
    l->text = (char *)bytes;
    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n';
    l->label = ms_calloc(lines, sizeof *l->label);
    if (!l->label) {
        ms_free(bytes);
        return ms_cli_fail(c, "out of memory");
    }
    for (char *line = l->text, *end; *line; line = end) {
        end = strchrnul(line, '\n');
        l->label[l->n++] = line;
        if (*end)
            *end++ = '\0';
        line[strcspn(line, "\r")] = '\0';
    }
    return MS_EXIT_OK;
}

void ms_cli_labels_done(struct ms_cli_labels *l)
{
    ms_free(l->label);
    ms_free(l->text);
}

/* ---- values ---- */

enum { SHOWN = 8, BEST = 5 };

static void element_text(struct ms_buf *b, const struct mindserve_tensor *t, size_t i)
{
    enum mindserve_dtype d = mindserve_tensor_dtype(t);
    size_t len;

    if (d == MINDSERVE_STRING)
        ms_buf_printf(b, "'%s'", ms_cli_safe(mindserve_tensor_string(t, i, &len)));
    else if (d == MINDSERVE_BOOL)
        ms_buf_puts(b, mindserve_tensor_number(t, i) != 0 ? "true" : "false");
    else
        ms_buf_printf(b, d <= MINDSERVE_BF16 ? "%.6g" : "%.0f", mindserve_tensor_number(t, i));
}

/* Index of the largest value among n from `from` that is not among the k already taken. */
static size_t next_best(const struct mindserve_tensor *t, size_t from, size_t n,
                        const size_t *taken, int k)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++) {
        bool used = false;
        for (int j = 0; j < k; j++)
            used = used || taken[j] == i;
        double v = mindserve_tensor_number(t, from + i);
        if (!used && !isnan(v) && (best == n || v > mindserve_tensor_number(t, from + best)))
            best = i;
    }
    return best;
}

static void classes_text(struct ms_buf *b, const struct mindserve_tensor *t, size_t from, size_t n,
                         const char *const *label)
{
    size_t taken[BEST];

    for (int k = 0; k < BEST && (size_t)k < n; k++) {
        size_t i = next_best(t, from, n, taken, k);
        if (i == n)
            break;
        taken[k] = i;
        ms_buf_printf(b, "  %-10.6g %s\n", mindserve_tensor_number(t, from + i),
                      ms_cli_safe(label[i]));
    }
}

static void values_text(struct ms_buf *b, const struct mindserve_tensor *t)
{
    size_t n = mindserve_tensor_count(t);

    ms_buf_putc(b, ' ');
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        ms_buf_puts(b, i ? ", " : " ");
        element_text(b, t, i);
    }
    ms_buf_puts(b, n > SHOWN ? ", ...\n" : "\n");
}

void ms_cli_outputs_text(struct ms_buf *b, const struct mindserve_outputs *o,
                         const char *const *label, int n_labels)
{
    for (int k = 0; k < o->n; k++) {
        const struct mindserve_tensor *t = o->output[k].tensor;
        int rank = mindserve_tensor_rank(t);
        size_t n = mindserve_tensor_count(t);
        size_t last = rank ? (size_t)mindserve_tensor_dims(t)[rank - 1] : 0;

        ms_buf_printf(b, "%s %s:", ms_cli_safe(o->output[k].name), ms_cli_tensor_form(t).text);
        if (n_labels <= 0 || last != (size_t)n_labels) {
            values_text(b, t);
            continue;
        }
        ms_buf_putc(b, '\n');
        for (size_t from = 0; from < n; from += last) {
            if (n > last)
                ms_buf_printf(b, " item %zu\n", from / last);
            classes_text(b, t, from, last, label);
        }
    }
}

static void element_json(struct ms_buf *b, const struct mindserve_tensor *t, size_t i)
{
    double v = mindserve_tensor_number(t, i);
    size_t len;

    if (mindserve_tensor_dtype(t) == MINDSERVE_STRING) {
        const char *s = mindserve_tensor_string(t, i, &len);
        ms_buf_json(b, s, len);
    } else if (isnan(v)) {
        ms_buf_puts(b, "\"NaN\"");
    } else if (isinf(v)) {
        ms_buf_puts(b, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else if (mindserve_tensor_dtype(t) == MINDSERVE_BOOL) {
        ms_buf_puts(b, v != 0 ? "true" : "false");
    } else {
        ms_buf_printf(b, mindserve_tensor_dtype(t) == MINDSERVE_F64 ? "%.17g" : "%.9g", v);
    }
}

/* All values of small outputs; of larger ones the first, since the files have the rest. */
void ms_cli_outputs_json(struct ms_buf *b, const struct mindserve_outputs *o)
{
    enum { FULL = 1024 };

    ms_buf_putc(b, '[');
    for (int k = 0; k < o->n; k++) {
        const struct mindserve_tensor *t = o->output[k].tensor;
        size_t n = mindserve_tensor_count(t);

        ms_buf_puts(b, k ? ",{\"name\":" : "{\"name\":");
        ms_cli_json(b, o->output[k].name);
        ms_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[",
                      mindserve_dtype_oip(mindserve_tensor_dtype(t)));
        for (int i = 0; i < mindserve_tensor_rank(t); i++)
            ms_buf_printf(b, i ? ",%lld" : "%lld", (long long)mindserve_tensor_dims(t)[i]);
        ms_buf_puts(b, n > FULL ? "],\"first\":[" : "],\"data\":[");
        for (size_t i = 0; i < n && i < (n > FULL ? SHOWN : FULL); i++) {
            if (i)
                ms_buf_putc(b, ',');
            element_json(b, t, i);
        }
        ms_buf_puts(b, "]}");
    }
    ms_buf_putc(b, ']');
}

/* ---- timing ---- */

bool ms_cli_times_add(struct ms_cli_times *t, double ms)
{
    if (t->n == t->cap) {
        int cap = t->cap ? t->cap * 2 : 256;
        double *grown = ms_reallocarray(t->ms, (size_t)cap, sizeof *grown);
        if (!grown)
            return false;
        t->ms = grown;
        t->cap = cap;
    }
    t->ms[t->n++] = ms;
    return true;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void ms_cli_times_sort(struct ms_cli_times *t)
{
    if (t->n)
        qsort(t->ms, (size_t)t->n, sizeof *t->ms, ascending);
}

double ms_cli_times_at(const struct ms_cli_times *t, double q)
{
    int i = (int)ceil(q * t->n) - 1;

    return t->n == 0 ? 0 : t->ms[i < 0 ? 0 : i];
}
