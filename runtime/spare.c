/* SPDX-License-Identifier: Apache-2.0 */
/* spare.c - a short list of mappings, oldest first. */
#include "runtime/spare.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/account.h"

enum { SPARES_MAX = 16, SHARE = 16 };

struct spare {
    void *data;
    size_t bytes; /* of the mapping */
    int64_t since;
};

struct ms_spares {
    pthread_mutex_t lock;
    struct ms_account *account; /* whose part this is */
    struct spare idle[SPARES_MAX];
    int n;
    size_t held;
    long out; /* handed out and not given back */
    bool closed;
};

static size_t mapping(size_t bytes)
{
    return (bytes + MS_MAP_UNIT - 1) & ~(size_t)(MS_MAP_UNIT - 1);
}

struct ms_spares *ms_spares_new(struct ms_account *account)
{
    struct ms_spares *s = ms_calloc(1, sizeof *s);

    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->account = account;
    return s;
}

void ms_spares_free(struct ms_spares *s)
{
    if (!s)
        return;
    ms_spares_drop(s, INT64_MAX);
    pthread_mutex_destroy(&s->lock);
    ms_free(s);
}

/* Takes number i out of the list; the lock is held. */
static struct spare take(struct ms_spares *s, int i)
{
    struct spare taken = s->idle[i];

    s->n--;
    for (int k = i; k < s->n; k++)
        s->idle[k] = s->idle[k + 1];
    s->held -= taken.bytes;
    return taken;
}

static void let_go(struct ms_spares *s, struct spare *gone)
{
    ms_aligned_free(gone->data, gone->bytes);
    ms_account_give(s->account, MS_ACCOUNT_RUNS, gone->bytes);
}

void *ms_spares_alloc(struct ms_spares *s, size_t bytes)
{
    struct spare found = {0};

    if (!s || bytes < MS_MAP_FROM)
        return ms_aligned_alloc(bytes);
    pthread_mutex_lock(&s->lock);
    for (int i = s->n - 1; i >= 0 && !found.data; i--) /* the newest: its lines are in cache */
        if (s->idle[i].bytes == mapping(bytes))
            found = take(s, i);
    s->out++;
    pthread_mutex_unlock(&s->lock);
    if (found.data)
        ms_account_give(s->account, MS_ACCOUNT_RUNS, found.bytes);
    else
        found.data = ms_aligned_alloc(bytes);
    if (!found.data) {
        pthread_mutex_lock(&s->lock);
        s->out--;
        pthread_mutex_unlock(&s->lock);
    }
    return found.data;
}

void ms_spares_give(struct ms_spares *s, void *data, size_t bytes)
{
    struct spare old = {0}, extra = {data, mapping(bytes), ms_now()};

    if (!s || !data || bytes < MS_MAP_FROM) {
        ms_aligned_free(data, bytes);
        return;
    }
    bool booked = ms_account_take(s->account, MS_ACCOUNT_RUNS, extra.bytes);
    pthread_mutex_lock(&s->lock);
    s->out--;
    if (booked && !s->closed && extra.bytes <= s->account->budget / SHARE - s->held) {
        if (s->n == SPARES_MAX)
            old = take(s, 0);
        s->held += extra.bytes;
        s->idle[s->n++] = extra;
        extra.data = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (old.data)
        let_go(s, &old);
    if (extra.data && booked)
        let_go(s, &extra);
    else
        ms_aligned_free(extra.data, extra.bytes);
}

size_t ms_spares_drop(struct ms_spares *s, int64_t before)
{
    struct spare gone[SPARES_MAX];
    size_t bytes = 0;
    int n = 0;

    if (!s)
        return 0;
    pthread_mutex_lock(&s->lock);
    while (s->n && s->idle[0].since < before)
        gone[n++] = take(s, 0);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < n; i++) {
        bytes += gone[i].bytes;
        let_go(s, &gone[i]);
    }
    return bytes;
}

int64_t ms_spares_age(struct ms_spares *s, int64_t now)
{
    if (!s)
        return MS_NEVER;
    ms_spares_drop(s, now - MS_SPARE_NS);
    pthread_mutex_lock(&s->lock);
    bool more = s->n || s->out > 0;
    pthread_mutex_unlock(&s->lock);
    return more ? now + MS_SPARE_NS : MS_NEVER;
}

void ms_spares_close(struct ms_spares *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    pthread_mutex_unlock(&s->lock);
    ms_spares_drop(s, INT64_MAX);
}
