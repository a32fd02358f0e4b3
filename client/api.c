/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - the public calls: fill in defaults, check what the caller gave, hand over to the table of
 * the place where models run, and turn the error into the public struct.
 *
 * Option structs may come from a program built against an older header: what lies beyond the size
 * that they state counts as zero. */
#include "config.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "client/client.h"
#include "passes/pass.h"

#define MS_SAME(name_) (int)MINDSERVE_##name_ == (int)MS_##name_
_Static_assert(MS_SAME(OK) && MS_SAME(NOT_FOUND) && MS_SAME(UNAVAILABLE) &&
                   MS_SAME(UNAUTHENTICATED),
               "public and inner codes agree");

const char *mindserve_version(void)
{
    return PACKAGE_VERSION;
}

const char *mindserve_code_name(mindserve_code code)
{
    return ms_code_name((ms_code)code);
}

/* The public form of how a call ended. */
static mindserve_code ended(ms_code code, const struct ms_err *e, struct mindserve_error *err)
{
    if (err && code == MS_OK)
        *err = (struct mindserve_error){0};
    if (err && code != MS_OK) {
        err->code = (mindserve_code)code;
        err->unreachable = e->reason == MS_REASON_UNREACHABLE;
        _Static_assert(sizeof err->text == sizeof e->text, "both hold one line");
        memcpy(err->text, e->text, sizeof err->text);
    }
    return (mindserve_code)code;
}

mindserve_code mindserve_tensor_from_pb(const void *bytes, size_t len,
                                        struct mindserve_tensor **out, struct mindserve_error *err)
{
    struct ms_err e = {0};

    return ended(ms_tensor_read_pb(bytes, len, out, &e), &e, err);
}

/* Copies a caller's option struct of its stated size into a full one. */
static ms_code take_options(void *dst, size_t size, const void *src, const char *what,
                            struct ms_err *err)
{
    size_t given;

    memset(dst, 0, size);
    if (src) {
        memcpy(&given, src, sizeof given);
        if (given < sizeof given || given > 4096)
            return ms_fail(err, MS_INVALID_ARGUMENT, "%s: its size is not set", what);
        memcpy(dst, src, given < size ? given : size);
    }
    memcpy(dst, &size, sizeof size);
    return MS_OK;
}

static ms_code named_call(const char *name, struct ms_err *err)
{
    if (!name || !ms_model_name_valid(name, strlen(name)))
        return ms_fail(err, MS_INVALID_ARGUMENT, "model name '%.130s' is not valid",
                       name ? name : "");
    return MS_OK;
}

static ms_code absent(const struct mindserve *ms, const char *call, struct ms_err *err)
{
    return ms_fail(err, MS_UNIMPLEMENTED, "%s cannot be done %s", call, ms->ops->where);
}

/* ---- results ---- */

/* A result may be as large as the tensors' owners allow; this bounds its own structs and text. */
enum { RESULT_MAX = 1 << 30 };

void *ms_result_new(size_t size, struct ms_arena **arena)
{
    struct ms_arena *a = ms_calloc(1, sizeof *a);
    void *result;

    if (!a)
        return NULL;
    ms_arena_init(a, RESULT_MAX);
    result = ms_arena_alloc(a, size);
    if (!result) {
        ms_result_free(a);
        return NULL;
    }
    *arena = a;
    return result;
}

void ms_result_free(struct ms_arena *arena)
{
    if (!arena)
        return;
    ms_arena_done(arena);
    ms_free(arena);
}

#define MS_RESULT(type_)                                                                           \
    void mindserve_##type_##_free(struct mindserve_##type_ *r)                                     \
    {                                                                                              \
        if (r)                                                                                     \
            ms_result_free(r->owner);                                                              \
    }
MS_RESULT(deployed)
MS_RESULT(versions)
MS_RESULT(profile)
MS_RESULT(models)
MS_RESULT(info)
MS_RESULT(status)
MS_RESULT(store_report)

void mindserve_outputs_free(struct mindserve_outputs *o)
{
    if (!o)
        return;
    for (int i = 0; i < o->n; i++)
        mindserve_tensor_free(o->output[i].tensor);
    ms_result_free(o->owner);
}

void mindserve_text_free(char *text)
{
    ms_free(text);
}

/* ---- calls ---- */

mindserve_code mindserve_open(const struct mindserve_options *opts, struct mindserve **out,
                              struct mindserve_error *err)
{
    struct mindserve_options o;
    struct ms_err e = {0};
    ms_code code = take_options(&o, sizeof o, opts, "mindserve_options", &e);

    if (code == MS_OK)
        code = o.server ? ms_remote_open(&o, out, &e) : ms_local_open(&o, out, &e);
    return ended(code, &e, err);
}

void mindserve_close(struct mindserve *ms)
{
    if (ms)
        ms->ops->close(ms);
}

/* The configuration inside is checked here too, so that both places see a full struct. */
static ms_code deploy(struct mindserve *ms, const char *path,
                      const struct mindserve_deploy_options *opts, struct mindserve_deployed **out,
                      struct ms_err *err)
{
    struct mindserve_deploy_options o;
    struct mindserve_config config;
    struct mindserve_deployed *d = NULL;

    MS_TRY(take_options(&o, sizeof o, opts, "mindserve_deploy_options", err));
    MS_TRY(take_options(&config, sizeof config, o.config, "mindserve_config", err));
    if (o.config)
        o.config = &config;
    if (o.name)
        MS_TRY(named_call(o.name, err));
    MS_TRY(ms->ops->deploy(ms, path, &o, &d, err));
    if (out)
        *out = d;
    else
        mindserve_deployed_free(d);
    return MS_OK;
}

mindserve_code mindserve_deploy(struct mindserve *ms, const char *path,
                                const struct mindserve_deploy_options *opts,
                                struct mindserve_deployed **out, struct mindserve_error *err)
{
    struct ms_err e = {0};

    return ended(deploy(ms, path, opts, out, &e), &e, err);
}

mindserve_code mindserve_undeploy(struct mindserve *ms, const char *name, uint64_t version,
                                  struct mindserve_versions **out, struct mindserve_error *err)
{
    struct mindserve_versions *v = NULL;
    struct ms_err e = {0};
    ms_code code = named_call(name, &e);

    if (code == MS_OK)
        code = ms->ops->undeploy(ms, name, version, &v, &e);
    if (code == MS_OK && out)
        *out = v;
    else
        mindserve_versions_free(v);
    return ended(code, &e, err);
}

mindserve_code mindserve_rollback(struct mindserve *ms, const char *name, uint64_t *now,
                                  uint64_t *from, struct mindserve_error *err)
{
    uint64_t to_version = 0, from_version = 0;
    struct ms_err e = {0};
    ms_code code = named_call(name, &e);

    if (code == MS_OK)
        code = ms->ops->rollback(ms, name, &to_version, &from_version, &e);
    if (code == MS_OK && now)
        *now = to_version;
    if (code == MS_OK && from)
        *from = from_version;
    return ended(code, &e, err);
}

static ms_code check_inputs(const struct mindserve_named *in, int n, struct ms_err *err)
{
    if (n < 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "number of inputs is negative");
    for (int i = 0; i < n; i++) {
        if (!in[i].tensor)
            return ms_fail(err, MS_INVALID_ARGUMENT, "input %d has no tensor", i);
        if (!in[i].name != !in[0].name)
            return ms_fail(err, MS_INVALID_ARGUMENT,
                           "input %d: either all inputs are named or none", i);
        for (int k = 0; k < i && in[i].name; k++)
            if (strcmp(in[i].name, in[k].name) == 0)
                return ms_fail(err, MS_INVALID_ARGUMENT, "input '%.120s' is given twice",
                               in[i].name);
    }
    return MS_OK;
}

mindserve_code mindserve_infer(struct mindserve *ms, const char *name, uint64_t version,
                               const struct mindserve_named *inputs, int n_inputs,
                               const struct mindserve_infer_options *opts,
                               struct mindserve_outputs **out, struct mindserve_error *err)
{
    struct mindserve_infer_options o;
    struct ms_err e = {0};
    ms_code code = take_options(&o, sizeof o, opts, "mindserve_infer_options", &e);

    if (code == MS_OK)
        code = named_call(name, &e);
    if (code == MS_OK)
        code = check_inputs(inputs, n_inputs, &e);
    if (code == MS_OK)
        code = ms->ops->infer(ms, name, version, inputs, n_inputs, &o, out, &e);
    return ended(code, &e, err);
}

mindserve_code mindserve_profile(struct mindserve *ms, const char *name, uint64_t version,
                                 const struct mindserve_named *inputs, int n_inputs, int runs,
                                 struct mindserve_profile **out, struct mindserve_error *err)
{
    struct ms_err e = {0};
    ms_code code = named_call(name, &e);

    if (code == MS_OK)
        code = check_inputs(inputs, n_inputs, &e);
    if (code == MS_OK)
        code = ms->ops->profile
                   ? ms->ops->profile(ms, name, version, inputs, n_inputs, runs, out, &e)
                   : absent(ms, "profile", &e);
    return ended(code, &e, err);
}

mindserve_code mindserve_list(struct mindserve *ms, struct mindserve_models **out,
                              struct mindserve_error *err)
{
    struct ms_err e = {0};

    return ended(ms->ops->list(ms, out, &e), &e, err);
}

mindserve_code mindserve_show(struct mindserve *ms, const char *name, uint64_t version, bool graph,
                              struct mindserve_info **out, struct mindserve_error *err)
{
    struct ms_err e = {0};
    ms_code code = named_call(name, &e);

    if (code == MS_OK)
        code = ms->ops->show(ms, name, version, graph, out, &e);
    return ended(code, &e, err);
}

mindserve_code mindserve_graph(struct mindserve *ms, const char *name, uint64_t version,
                               const char *format, char **text, size_t *len,
                               struct mindserve_error *err)
{
    struct ms_err e = {0};
    ms_code code = named_call(name, &e);

    if (code == MS_OK)
        code = ms->ops->graph(ms, name, version, format, text, len, &e);
    return ended(code, &e, err);
}

const char *mindserve_pass_name(int i, const char **help)
{
    const struct ms_pass *p = i < 0 ? NULL : ms_pass_at(i);

    if (p && help)
        *help = p->help;
    return p ? p->name : NULL;
}

mindserve_code mindserve_status(struct mindserve *ms, struct mindserve_status **out,
                                struct mindserve_error *err)
{
    struct ms_err e = {0};

    return ended(ms->ops->status(ms, out, &e), &e, err);
}

mindserve_code mindserve_store_check(struct mindserve *ms, struct mindserve_store_report **out,
                                     struct mindserve_error *err)
{
    struct ms_err e = {0};

    return ended(ms->ops->store_check ? ms->ops->store_check(ms, out, &e)
                                      : absent(ms, "store check", &e),
                 &e, err);
}

mindserve_code mindserve_store_gc(struct mindserve *ms, struct mindserve_store_report **out,
                                  struct mindserve_error *err)
{
    struct ms_err e = {0};

    return ended(ms->ops->store_gc ? ms->ops->store_gc(ms, out, &e) : absent(ms, "store gc", &e),
                 &e, err);
}
