/* SPDX-License-Identifier: Apache-2.0 */
/* format.c - the formats that were linked in. */
#include "ir/format.h"

extern const void *const __start_ms_formats[] __attribute__((weak));
extern const void *const __stop_ms_formats[] __attribute__((weak));

struct ms_read_limits ms_read_limits_default(size_t file_bytes)
{
    const size_t floor = 16u << 20;
    /* Weights stay in the file, so what grows with it is structure: 4 bytes a byte, and at most
     * 4 GiB, which no real graph comes near. */
    size_t heap = file_bytes < ((size_t)1 << 30) ? file_bytes * 4 : (size_t)4 << 30;

    return (struct ms_read_limits){
        .max_depth = 64,
        .max_graph_depth = 16,
        .max_nodes = 1000000,
        .max_name = 1024,
        .max_heap = heap + floor,
    };
}

const struct ms_format *ms_format_sniff(struct ms_bytes file)
{
    ms_section_each (ms_formats, it) {
        const struct ms_format *f = *it;
        if (f->sniff(file))
            return f;
    }
    return NULL;
}
