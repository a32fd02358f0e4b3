/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - which model answers to which name and version.
 *
 * Readers (every request) take a reference without waiting for writers longer than a pointer swap.
 * Writers are the loader and the store. A version that is not loaded (LOADING, UNAVAILABLE) is
 * listed with its state and reason. */
#ifndef MS_RUNTIME_REGISTRY_H
#define MS_RUNTIME_REGISTRY_H

#include "runtime/model.h"

enum ms_state { MS_STATE_LOADING, MS_STATE_READY, MS_STATE_UNLOADING, MS_STATE_UNAVAILABLE };
const char *ms_state_name(enum ms_state s); /* "READY" */

struct ms_registry;

struct ms_registry *ms_registry_new(void);    /* NULL when memory is out */
void ms_registry_free(struct ms_registry *r); /* drops its references */

/* A reference on the model of a name and version ("" = live). NOT_FOUND "Request for unknown model:
 * '<name>' is not found" (clients compare that text) or UNAVAILABLE with state and reason. */
ms_code ms_registry_get(struct ms_registry *r, const char *name, const char *version,
                        struct ms_model **out, struct ms_err *err);

/* Puts a version in a state; model (a reference is taken) with READY, else NULL. live: it becomes
 * the one that answers to the bare name; the swap is atomic. */
ms_code ms_registry_put(struct ms_registry *r, const char *name, const char *version,
                        enum ms_state state, const char *reason, struct ms_model *m, bool live,
                        struct ms_err *err);
/* Makes a READY version live. */
ms_code ms_registry_set_live(struct ms_registry *r, const char *name, const char *version,
                             struct ms_err *err);
/* Forgets a version (version NULL: all of the name). The model drains by its references. */
void ms_registry_remove(struct ms_registry *r, const char *name, const char *version);

struct ms_registry_entry {
    const char *name, *version, *reason; /* valid during the callback */
    enum ms_state state;
    bool live;
    struct ms_model *model; /* borrowed; NULL unless READY */
};
/* In name and version order. The callback must not call the registry. */
void ms_registry_each(struct ms_registry *r,
                      void (*each)(void *arg, const struct ms_registry_entry *e), void *arg);
/* Requests queued or running in all models. */
int ms_registry_pending(struct ms_registry *r);

#endif
