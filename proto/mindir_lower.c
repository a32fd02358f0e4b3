/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower.c - the table of primitives, assembled from the families. */
#include "proto/mindir.h"

#include <string.h>

static const struct mir_row *const families[] = {
    mir_rows_flow,   mir_rows_scalar, mir_rows_math, mir_rows_reduce, mir_rows_array,
    mir_rows_gather, mir_rows_nn,     mir_rows_pool, mir_rows_vision,
};

bool mir_rows_init(struct mir *m)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const struct mir_row *r = families[i]; r->name; r++)
            if (!ms_map_put(&m->rows, r->name, strlen(r->name), (void *)(uintptr_t)r))
                return false;
    return true;
}

const struct mir_row *mir_row_find(const struct mir *m, struct ms_bytes name)
{
    static const char wrapper[] = "S-Prim-";
    const size_t n = sizeof wrapper - 1;

    if (name.len > n && memcmp(name.data, wrapper, n) == 0)
        name = ms_bytes(name.data + n, name.len - n);
    return ms_map_get(&m->rows, (const char *)name.data, name.len);
}
