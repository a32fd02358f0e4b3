/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - names to pointers.
 *
 * Open addressing with a per-process random seed (SipHash-1-3), so that names chosen by a stranger
 * cannot make it slow. Keys are borrowed: they must outlive the map. Not thread safe. */
#ifndef MS_BASE_MAP_H
#define MS_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_map_slot {
    const char *key; /* NULL = never used */
    size_t len;
    void *value;
    bool gone;
};

struct ms_map {
    struct ms_map_slot *slots;
    size_t cap, used, live; /* used counts gone slots too */
};

/* A zeroed struct is an empty map. */
void ms_map_done(struct ms_map *m);

/* The value of a key, NULL if absent. */
void *ms_map_get(const struct ms_map *m, const char *key, size_t len);
void *ms_map_gets(const struct ms_map *m, const char *key);
/* Sets or replaces (value must not be NULL); false when memory is out. */
bool ms_map_put(struct ms_map *m, const char *key, size_t len, void *value)
    __attribute__((warn_unused_result));
/* Removes and returns the value, NULL if absent. */
void *ms_map_del(struct ms_map *m, const char *key, size_t len);
/* Walks: *pos starts at 0; returns the next live slot or NULL. Order is arbitrary. */
const struct ms_map_slot *ms_map_next(const struct ms_map *m, size_t *pos);

/* SipHash-1-3 with the process seed. */
uint64_t ms_hash(const void *data, size_t len);

#endif
