/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - names to models, under one lock that readers hold for a look-up and no longer.
 *
 * Names are few and look-ups short: a sorted array and a reader-writer lock cost some tens of
 * nanoseconds. Writers prepare everything outside and only swap pointers inside; models they
 * displace are let go after the lock. */
#include "runtime/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct version {
    char *version, *reason;
    enum ms_state state;
    struct ms_model *model;
};

struct name {
    char *name;
    struct version *versions; /* by number where both are, else by text */
    int n;
    int live; /* index; -1 = none */
};

struct ms_registry {
    pthread_rwlock_t lock;
    struct name *names; /* sorted */
    int n;
};

const char *ms_state_name(enum ms_state s)
{
    static const char *const names[] = {"LOADING", "READY", "UNLOADING", "UNAVAILABLE"};

    return names[s];
}

struct ms_registry *ms_registry_new(void)
{
    struct ms_registry *r = ms_calloc(1, sizeof *r);
    pthread_rwlockattr_t attr;

    if (!r)
        return NULL;
    pthread_rwlockattr_init(&attr); /* a stream of readers must not keep a deploy waiting */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&r->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    return r;
}

static void version_done(struct version *v)
{
    ms_free(v->version);
    ms_free(v->reason);
    ms_model_unref(v->model);
}

static void name_done(struct name *n)
{
    for (int i = 0; i < n->n; i++)
        version_done(&n->versions[i]);
    ms_free(n->versions);
    ms_free(n->name);
}

void ms_registry_free(struct ms_registry *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++)
        name_done(&r->names[i]);
    ms_free(r->names);
    pthread_rwlock_destroy(&r->lock);
    ms_free(r);
}

/* ---- finding; the lock is held ---- */

/* Where a name is or would be. */
static int place_of(const struct ms_registry *r, const char *name, bool *found)
{
    int lo = 0, hi = r->n;

    *found = false;
    while (lo < hi) {
        int mid = (lo + hi) / 2, c = strcmp(name, r->names[mid].name);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static struct name *find_name(const struct ms_registry *r, const char *name)
{
    bool found;
    int i = place_of(r, name, &found);

    return found ? &r->names[i] : NULL;
}

static int find_version(const struct name *n, const char *version)
{
    for (int i = 0; i < n->n; i++)
        if (strcmp(n->versions[i].version, version) == 0)
            return i;
    return -1;
}

/* Numbers by value (shorter first), other texts behind them. */
static int compare_versions(const char *a, const char *b)
{
    bool na = a[strspn(a, "0123456789")] == '\0', nb = b[strspn(b, "0123456789")] == '\0';

    if (na && nb && strlen(a) != strlen(b))
        return strlen(a) < strlen(b) ? -1 : 1;
    if (na != nb)
        return na ? -1 : 1;
    return strcmp(a, b);
}

/* ---- reading ---- */

static ms_code pick(const struct ms_registry *r, const char *name, const char *version,
                    struct ms_model **out, struct ms_err *err)
{
    const struct name *n = find_name(r, name);
    char a[160], b[64];
    int i;

    ms_escape(a, sizeof a, name, strlen(name));
    ms_escape(b, sizeof b, version, strlen(version));
    if (!n)
        return ms_fail(err, MS_NOT_FOUND, "Request for unknown model: '%s' is not found", a);
    if (version[0]) {
        i = find_version(n, version);
        if (i < 0)
            return ms_fail(err, MS_NOT_FOUND,
                           "Request for unknown model: '%s' version %s is not found", a, b);
    } else {
        i = n->live >= 0 ? n->live : n->n - 1;
    }
    const struct version *v = &n->versions[i];
    if (v->state != MS_STATE_READY || !v->model || (!version[0] && n->live < 0))
        return ms_fail(err, MS_UNAVAILABLE, "model '%s' version %s is not ready: %s%s%s", a,
                       v->version, ms_state_name(v->state), v->reason[0] ? ", " : "", v->reason);
    *out = ms_model_ref(v->model);
    return MS_OK;
}

ms_code ms_registry_get(struct ms_registry *r, const char *name, const char *version,
                        struct ms_model **out, struct ms_err *err)
{
    *out = NULL;
    pthread_rwlock_rdlock(&r->lock);
    ms_code code = pick(r, name, version ? version : "", out, err);
    pthread_rwlock_unlock(&r->lock);
    return code;
}

void ms_registry_each(struct ms_registry *r,
                      void (*each)(void *arg, const struct ms_registry_entry *e), void *arg)
{
    pthread_rwlock_rdlock(&r->lock);
    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < r->names[i].n; k++) {
            const struct version *v = &r->names[i].versions[k];
            struct ms_registry_entry e = {.name = r->names[i].name,
                                          .version = v->version,
                                          .reason = v->reason,
                                          .state = v->state,
                                          .live = k == r->names[i].live,
                                          .model = v->model};
            each(arg, &e);
        }
    pthread_rwlock_unlock(&r->lock);
}

static void add_pending(void *arg, const struct ms_registry_entry *e)
{
    if (e->model)
        *(int *)arg += ms_model_pending(e->model);
}

int ms_registry_pending(struct ms_registry *r)
{
    int n = 0;

    ms_registry_each(r, add_pending, &n);
    return n;
}

/* ---- writing ---- */

/* The name's record, made if need be; NULL when memory is out. The write lock is held. */
static struct name *make_name(struct ms_registry *r, const char *name)
{
    bool found;
    int at = place_of(r, name, &found);

    if (found)
        return &r->names[at];
    struct name *more = ms_reallocarray(r->names, (size_t)r->n + 1, sizeof *more);
    if (!more)
        return NULL;
    r->names = more;
    char *copy = ms_strdup(name);
    if (!copy)
        return NULL;
    memmove(more + at + 1, more + at, (size_t)(r->n - at) * sizeof *more);
    more[at] = (struct name){.name = copy, .live = -1};
    r->n++;
    return &more[at];
}

static struct version *make_version(struct name *n, const char *version)
{
    int i = find_version(n, version);

    if (i >= 0)
        return &n->versions[i];
    struct version *more = ms_reallocarray(n->versions, (size_t)n->n + 1, sizeof *more);
    if (!more)
        return NULL;
    n->versions = more;
    char *copy = ms_strdup(version);
    if (!copy)
        return NULL;
    for (i = n->n; i > 0 && compare_versions(version, more[i - 1].version) < 0; i--)
        more[i] = more[i - 1];
    more[i] = (struct version){.version = copy};
    n->n++;
    if (n->live >= i)
        n->live++;
    return &more[i];
}

static void forget_name(struct ms_registry *r, struct name *n, struct name *out)
{
    int at = (int)(n - r->names);

    *out = *n;
    memmove(n, n + 1, (size_t)(r->n - at - 1) * sizeof *n);
    r->n--;
}

/* The write lock is held; what is displaced goes to *old. */
static bool put(struct ms_registry *r, const char *name, const char *version, struct version *fresh,
                bool live, struct version *old)
{
    struct name *n = make_name(r, name), empty;
    struct version *v = n ? make_version(n, version) : NULL;

    if (!v) {
        if (n && n->n == 0) {
            forget_name(r, n, &empty);
            name_done(&empty);
        }
        return false;
    }
    old->reason = v->reason;
    old->model = v->model;
    v->reason = fresh->reason;
    v->model = fresh->model;
    v->state = fresh->state;
    if (live)
        n->live = (int)(v - n->versions);
    return true;
}

ms_code ms_registry_put(struct ms_registry *r, const char *name, const char *version,
                        enum ms_state state, const char *reason, struct ms_model *m, bool live,
                        struct ms_err *err)
{
    struct version fresh = {.state = state, .reason = ms_strdup(reason ? reason : "")}, old = {0};

    if (!fresh.reason)
        return ms_fail_oom(err, "registry", 0);
    fresh.model = state == MS_STATE_READY && m ? ms_model_ref(m) : NULL;
    pthread_rwlock_wrlock(&r->lock);
    bool ok = put(r, name, version, &fresh, live, &old);
    pthread_rwlock_unlock(&r->lock);
    version_done(ok ? &old : &fresh);
    return ok ? MS_OK : ms_fail_oom(err, "registry", 0);
}

ms_code ms_registry_set_live(struct ms_registry *r, const char *name, const char *version,
                             struct ms_err *err)
{
    ms_code code = MS_OK;

    pthread_rwlock_wrlock(&r->lock);
    struct name *n = find_name(r, name);
    int i = n ? find_version(n, version) : -1;
    if (i < 0)
        code = ms_fail(err, MS_NOT_FOUND, "model '%s' version %s is not found", name, version);
    else if (n->versions[i].state != MS_STATE_READY)
        code = ms_fail(err, MS_FAILED_PRECONDITION, "model '%s' version %s is not ready: %s", name,
                       version, ms_state_name(n->versions[i].state));
    else
        n->live = i;
    pthread_rwlock_unlock(&r->lock);
    return code;
}

void ms_registry_remove(struct ms_registry *r, const char *name, const char *version)
{
    struct name gone_name = {0};
    struct version gone = {0};

    pthread_rwlock_wrlock(&r->lock);
    struct name *n = find_name(r, name);
    int i = n && version ? find_version(n, version) : -1;
    if (i >= 0) {
        gone = n->versions[i];
        memmove(n->versions + i, n->versions + i + 1, (size_t)(n->n - i - 1) * sizeof gone);
        n->n--;
        if (n->live == i)
            n->live = -1;
        else if (n->live > i)
            n->live--;
    }
    if (n && (!version || n->n == 0))
        forget_name(r, n, &gone_name);
    pthread_rwlock_unlock(&r->lock);
    version_done(&gone);
    name_done(&gone_name);
}
