/* SPDX-License-Identifier: Apache-2.0 */
/* slab.c - a short stack of idle slabs. */
#include "runtime/slab.h"

#include "base/mem.h"

void ms_slabs_init(struct ms_slabs *s, struct ms_account *account, int max)
{
    *s = (struct ms_slabs){.account = account, .max = max < MS_SLABS_MAX ? max : MS_SLABS_MAX};
    pthread_mutex_init(&s->lock, NULL);
}

static void drop(struct ms_slabs *s, struct ms_slab *slab)
{
    if (!slab->data)
        return;
    ms_aligned_free(slab->data, slab->bytes);
    ms_account_give(s->account, MS_ACCOUNT_RUNS, slab->bytes);
    *slab = (struct ms_slab){0};
}

size_t ms_slabs_shrink(struct ms_slabs *s)
{
    struct ms_slab idle[MS_SLABS_MAX];
    size_t freed = 0;

    pthread_mutex_lock(&s->lock);
    int n = s->n;
    for (int i = 0; i < n; i++)
        idle[i] = s->idle[i];
    s->n = 0;
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < n; i++) {
        freed += idle[i].bytes;
        drop(s, &idle[i]);
    }
    return freed;
}

void ms_slabs_done(struct ms_slabs *s)
{
    ms_slabs_shrink(s);
    pthread_mutex_destroy(&s->lock);
}

/* The newest idle slab that is big enough. */
static bool reuse(struct ms_slabs *s, size_t bytes, struct ms_slab *out)
{
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (int i = s->n - 1; i >= 0 && !found; i--) {
        if (s->idle[i].bytes < bytes)
            continue;
        *out = s->idle[i];
        for (int k = i; k + 1 < s->n; k++)
            s->idle[k] = s->idle[k + 1];
        s->n--;
        found = true;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

bool ms_slabs_take(struct ms_slabs *s, size_t bytes, struct ms_slab *out)
{
    *out = (struct ms_slab){0};
    if (bytes == 0 || reuse(s, bytes, out))
        return true;
    if (!ms_account_take(s->account, MS_ACCOUNT_RUNS, bytes) &&
        (ms_slabs_shrink(s) == 0 || !ms_account_take(s->account, MS_ACCOUNT_RUNS, bytes)))
        return false;
    out->data = ms_aligned_alloc(bytes);
    if (!out->data) {
        ms_account_give(s->account, MS_ACCOUNT_RUNS, bytes);
        return false;
    }
    out->bytes = bytes;
    return true;
}

void ms_slabs_give(struct ms_slabs *s, struct ms_slab *slab)
{
    struct ms_slab extra = *slab;

    if (!slab->data)
        return;
    *slab = (struct ms_slab){0};
    pthread_mutex_lock(&s->lock);
    if (s->n < s->max) {
        s->idle[s->n++] = extra;
        extra = (struct ms_slab){0};
    } else { /* the smallest goes: sizes drift towards what is asked for */
        int small = 0;
        for (int i = 1; i < s->n; i++)
            if (s->idle[i].bytes < s->idle[small].bytes)
                small = i;
        if (s->n && s->idle[small].bytes < extra.bytes) {
            struct ms_slab t = s->idle[small];
            for (int k = small; k + 1 < s->n; k++)
                s->idle[k] = s->idle[k + 1];
            s->idle[s->n - 1] = extra;
            extra = t;
        }
    }
    pthread_mutex_unlock(&s->lock);
    drop(s, &extra);
}
