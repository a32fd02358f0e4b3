/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - counting operators, sub-graphs included.
 *
 * A file that could be read gives its counts from the graph, under the names that the file uses.
 * One that could not be gives only what is missing: the reader's lines "...: operator NAME is not
 * supported". */
#include "client/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ir/op.h"

struct tally {
    struct ms_arena *a;
    struct ms_map by_name;
    bool failed;
};

static void count(struct tally *t, const char *name, size_t len, bool supported)
{
    struct mindserve_operator *row = ms_map_get(&t->by_name, name, len);

    if (!row) {
        row = ms_arena_alloc(t->a, sizeof *row);
        char *copy = ms_arena_strndup(t->a, name, len);
        if (!row || !copy || !ms_map_put(&t->by_name, copy, len, row)) {
            t->failed = true;
            return;
        }
        row->name = copy;
        row->supported = supported;
    }
    row->count++;
}

static void count_graph(struct tally *t, const struct ms_graph *g)
{
    ms_graph_each (g, n) {
        const char *name = n->origin ? n->origin : n->op->name;
        count(t, name, strlen(name), true);
        for (int i = 0; i < n->n_attrs; i++)
            if (n->attrs[i].type == MS_ATTR_GRAPH)
                count_graph(t, n->attrs[i].graph);
    }
}

static void count_missing(struct tally *t, const char *lines)
{
    static const char before[] = ": operator ", after[] = " is not supported";
    const char *line = lines;

    while (*line) {
        const char *end = strchrnul(line, '\n');
        const char *name = memmem(line, (size_t)(end - line), before, sizeof before - 1);
        if (name) {
            name += sizeof before - 1;
            const char *stop = memmem(name, (size_t)(end - name), after, sizeof after - 1);
            count(t, name, (size_t)((stop ? stop : end) - name), false);
        }
        line = *end ? end + 1 : end;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct mindserve_operator *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static bool collect(struct tally *t, struct mindserve_deployed *d)
{
    struct mindserve_operator *row = ms_arena_array(t->a, t->by_name.live + 1, sizeof *row);
    const struct ms_map_slot *slot;
    size_t at = 0;
    int n = 0;

    if (!row)
        return false;
    while ((slot = ms_map_next(&t->by_name, &at)))
        row[n++] = *(const struct mindserve_operator *)slot->value;
    qsort(row, (size_t)n, sizeof *row, by_name);
    d->operators = row;
    d->n_operators = n;
    return true;
}

ms_code ms_report_operators(const struct ms_reading *r, struct ms_arena *a,
                            struct mindserve_deployed *d, bool *lacking, struct ms_err *err)
{
    struct tally t = {.a = a};
    bool ok;

    if (r->graph && r->missing.len == 0)
        count_graph(&t, r->graph);
    count_missing(&t, ms_buf_str(&r->missing));
    d->missing = ms_arena_strndup(a, ms_buf_str(&r->missing), r->missing.len);
    ok = collect(&t, d) && d->missing && !t.failed;
    ms_map_done(&t.by_name);
    *lacking = r->missing.len > 0;
    return ok ? MS_OK : ms_fail_oom(err, "operator report", 0);
}
