/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - open addressing with linear probing, at most three quarters full. */
#include "base/map.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"

static uint64_t seed[2];
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (getrandom(seed, sizeof seed, 0) == (ssize_t)sizeof seed)
        return;
    struct timespec t; /* early boot: weaker, but different each time */
    clock_gettime(CLOCK_MONOTONIC, &t);
    seed[0] = (uint64_t)t.tv_nsec ^ (uintptr_t)&t;
    seed[1] = (uint64_t)t.tv_sec * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3: Aumasson and Bernstein 2012, one compression and three finalisation rounds. */
uint64_t ms_hash(const void *data, size_t len)
{
    pthread_once(&seeded, make_seed);
    const uint8_t *p = data;
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261),
                     seed[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t m;

    for (size_t i = 0; i + 8 <= len; i += 8) {
        memcpy(&m, p + i, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    m = (uint64_t)len << 56;
    if (len % 8)
        memcpy(&m, p + len - len % 8, len % 8);
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void ms_map_done(struct ms_map *m)
{
    ms_free(m->slots);
    *m = (struct ms_map){0};
}

/* The key's slot, or the one where it would go (the first free or gone one on its way). */
static struct ms_map_slot *find(struct ms_map_slot *slots, size_t cap, const char *key, size_t len)
{
    struct ms_map_slot *gone = NULL;

    for (size_t i = ms_hash(key, len) & (cap - 1);; i = (i + 1) & (cap - 1)) {
        struct ms_map_slot *s = &slots[i];
        if (!s->key)
            return gone ? gone : s;
        if (s->gone)
            gone = gone ? gone : s;
        else if (s->len == len && memcmp(s->key, key, len) == 0)
            return s;
    }
}

static bool live(const struct ms_map_slot *s)
{
    return s->key && !s->gone;
}

static bool grow(struct ms_map *m)
{
    size_t cap = m->live * 2 < 8 ? 16 : m->cap;

    while (m->live * 2 >= cap)
        cap *= 2;
    struct ms_map_slot *slots = ms_calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < m->cap; i++)
        if (live(&m->slots[i]))
            *find(slots, cap, m->slots[i].key, m->slots[i].len) = m->slots[i];
    ms_free(m->slots);
    m->slots = slots;
    m->cap = cap;
    m->used = m->live;
    return true;
}

void *ms_map_get(const struct ms_map *m, const char *key, size_t len)
{
    if (!m->cap)
        return NULL;
    const struct ms_map_slot *s = find(m->slots, m->cap, key, len);
    return live(s) ? s->value : NULL;
}

void *ms_map_gets(const struct ms_map *m, const char *key)
{
    return ms_map_get(m, key, strlen(key));
}

bool ms_map_put(struct ms_map *m, const char *key, size_t len, void *value)
{
    if ((m->used + 1) * 4 > m->cap * 3 && !grow(m))
        return false;
    struct ms_map_slot *s = find(m->slots, m->cap, key, len);
    if (live(s)) {
        s->value = value;
        return true;
    }
    if (!s->key)
        m->used++;
    m->live++;
    *s = (struct ms_map_slot){.key = key, .len = len, .value = value};
    return true;
}

void *ms_map_del(struct ms_map *m, const char *key, size_t len)
{
    if (!m->cap)
        return NULL;
    struct ms_map_slot *s = find(m->slots, m->cap, key, len);
    if (!live(s))
        return NULL;
    s->gone = true;
    s->key = ""; /* the caller may free its key now */
    s->len = 0;
    m->live--;
    return s->value;
}

const struct ms_map_slot *ms_map_next(const struct ms_map *m, size_t *pos)
{
    while (*pos < m->cap) {
        const struct ms_map_slot *s = &m->slots[(*pos)++];
        if (live(s))
            return s;
    }
    return NULL;
}
