/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - the threads that compute. */
#include "runtime/pool.h"

void ms_pool_spread(struct ms_pool *p, struct ms_spread *s)
{
    (void)p;
    for (int i = 0; i < s->chunks; i++)
        s->run(s, i, s->own_scratch);
}
