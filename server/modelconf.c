/* SPDX-License-Identifier: Apache-2.0 */
/* modelconf.c - three sources, one answer: models.NAME of the YAML file wins over what the deployer
 * sent, that over the daemon's defaults. */
#include "server/modelconf.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

typedef Mindserve__V1__ModelConfig conf;
typedef Mindserve__V1__ModelConfig__Batching conf_batching;
typedef Mindserve__V1__ModelConfig__ImageInput conf_image;

enum { MAX_CONFIG = 16 << 20, MAX_BATCH = 65536, MAX_QUEUE = 1000000 };
#define MAX_US UINT64_C(3600000000)

static void *pb_alloc(void *data, size_t size)
{
    (void)data;
    return ms_malloc(size);
}

static void pb_free(void *data, void *p)
{
    (void)data;
    ms_free(p);
}

static ProtobufCAllocator heap = {pb_alloc, pb_free, NULL};

conf *ms_modelconf_unpack(struct ms_bytes packed, struct ms_err *err)
{
    conf *m = mindserve__v1__model_config__unpack(&heap, packed.len, packed.data);

    if (!m)
        ms_fail(err, MS_DATA_LOSS, "the stored configuration cannot be read");
    return m;
}

void ms_modelconf_free(conf *m)
{
    if (m)
        mindserve__v1__model_config__free_unpacked(m, &heap);
}

/* ---- checking ---- */

static bool one_of(const char *s, const char *a, const char *b, const char *c)
{
    return !*s || strcmp(s, a) == 0 || strcmp(s, b) == 0 || (c && strcmp(s, c) == 0);
}

static ms_code check_names(const char *what, char *const *name, size_t n, struct ms_err *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(name[i]);
        if (len == 0 || len > 1024 || !ms_utf8_valid(name[i], len))
            return ms_fail(err, MS_INVALID_ARGUMENT, "config.%s[%zu]: 1 to 1024 bytes of UTF-8",
                           what, i);
    }
    return MS_OK;
}

static ms_code check_batching(const conf_batching *b, struct ms_err *err)
{
    if (b->max_size > MAX_BATCH)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config.batching.max_size: %u is more than %d",
                       b->max_size, MAX_BATCH);
    if (b->max_queue > MAX_QUEUE)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config.batching.max_queue: %u is more than %d",
                       b->max_queue, MAX_QUEUE);
    if (b->max_delay_us > MAX_US / 60 || b->timeout_us > MAX_US)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "config.batching: max_delay_us is at most a minute, timeout_us an hour");
    return MS_OK;
}

static bool all_finite(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

static ms_code check_image(const conf_image *i, struct ms_err *err)
{
    if (!one_of(i->layout, "NCHW", "NHWC", NULL))
        return ms_fail(err, MS_INVALID_ARGUMENT, "config.image.layout: NCHW or NHWC");
    if (!one_of(i->channels, "gray", "rgb", "bgr"))
        return ms_fail(err, MS_INVALID_ARGUMENT, "config.image.channels: gray, rgb or bgr");
    if (!isfinite(i->scale) || i->n_mean > 4 || i->n_std > 4 || !all_finite(i->mean, i->n_mean) ||
        !all_finite(i->std, i->n_std))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "config.image: scale, mean and std are finite, at most one a channel");
    for (size_t k = 0; k < i->n_std; k++)
        if (i->std[k] == 0.0f)
            return ms_fail(err, MS_INVALID_ARGUMENT, "config.image.std[%zu]: 0 divides", k);
    return MS_OK;
}

ms_code ms_modelconf_check(const conf *m, struct ms_err *err)
{
    if (!m)
        return MS_OK;
    if (m->batching)
        MS_TRY(check_batching(m->batching, err));
    if (m->image)
        MS_TRY(check_image(m->image, err));
    MS_TRY(check_names("input_names", m->input_names, m->n_input_names, err));
    MS_TRY(check_names("output_names", m->output_names, m->n_output_names, err));
    MS_TRY(check_names("labels", m->labels, m->n_labels, err));
    if (m->n_labels > MS_CONFIG_MAX_LIST)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config.labels: more than %d", MS_CONFIG_MAX_LIST);
    if (m->n_input_names > INT_MAX || m->n_output_names > INT_MAX)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config: too many names");
    return MS_OK;
}

ms_code ms_modelconf_pack(const conf *m, struct ms_arena *a, struct ms_bytes *out,
                          struct ms_err *err)
{
    *out = ms_bytes("", 0);
    if (!m)
        return MS_OK;
    size_t len = mindserve__v1__model_config__get_packed_size(m);
    if (len > MAX_CONFIG)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config: %zu bytes, more than %d", len,
                       MAX_CONFIG);
    uint8_t *p = ms_arena_alloc(a, len + 1);
    if (!p)
        return ms_fail_oom(err, "configuration", len);
    *out = ms_bytes(p, mindserve__v1__model_config__pack(m, p));
    return MS_OK;
}

/* ---- merging ---- */

static conf_batching *own_batching(const conf_batching *from, struct ms_arena *a)
{
    conf_batching *b = ms_arena_alloc(a, sizeof *b);

    if (b && from)
        *b = *from;
    else if (b)
        mindserve__v1__model_config__batching__init(b);
    return b;
}

static void merge_batching(const struct ms_config_model *o, conf_batching *b)
{
    if (o->has_batching_enabled) {
        b->_enabled_case = o->batching_enabled == MS_AUTO
                               ? MINDSERVE__V1__MODEL_CONFIG__BATCHING___ENABLED__NOT_SET
                               : MINDSERVE__V1__MODEL_CONFIG__BATCHING___ENABLED_ENABLED;
        b->enabled = o->batching_enabled == MS_ON;
    }
    if (o->has_batching_max_size)
        b->max_size = (uint32_t)o->batching_max_size;
    if (o->has_batching_max_delay)
        b->max_delay_us = (uint64_t)(o->batching_max_delay / MS_US);
    if (o->has_batching_max_queue)
        b->max_queue = (uint32_t)o->batching_max_queue;
    if (o->has_batching_timeout)
        b->timeout_us = (uint64_t)(o->batching_timeout / MS_US);
}

static bool merge_floats(const struct ms_floats *from, float **to, size_t *n, struct ms_arena *a)
{
    *to = ms_arena_array(a, (size_t)from->n + 1, sizeof **to);
    if (!*to)
        return false;
    *n = (size_t)from->n;
    for (int i = 0; i < from->n; i++)
        (*to)[i] = (float)from->item[i];
    return true;
}

static bool merge_image(const struct ms_config_model *o, conf *m, struct ms_arena *a)
{
    static const char *const layouts[] = {"NCHW", "NHWC"}, *const channels[] = {"rgb", "bgr",
                                                                                "gray"};
    conf_image *i;

    if (!o->has_image_layout && !o->has_image_channels && !o->has_image_scale &&
        !o->has_image_mean && !o->has_image_std && !o->has_image_invert)
        return true;
    i = ms_arena_alloc(a, sizeof *i);
    if (!i)
        return false;
    if (m->image)
        *i = *m->image;
    else
        mindserve__v1__model_config__image_input__init(i);
    m->image = i;
    if (o->has_image_layout)
        i->layout = ms_arena_strdup(a, layouts[o->image_layout]);
    if (o->has_image_channels)
        i->channels = ms_arena_strdup(a, channels[o->image_channels]);
    if (o->has_image_scale)
        i->scale = (float)o->image_scale;
    if (o->has_image_invert)
        i->invert = o->image_invert;
    if (o->has_image_mean && !merge_floats(&o->image_mean, &i->mean, &i->n_mean, a))
        return false;
    if (o->has_image_std && !merge_floats(&o->image_std, &i->std, &i->n_std, a))
        return false;
    return i->layout && i->channels;
}

ms_code ms_modelconf_merge(const conf *m, const struct ms_config_model *over, struct ms_arena *a,
                           conf **out, struct ms_err *err)
{
    conf *r = ms_arena_alloc(a, sizeof *r);

    if (!r)
        return ms_fail_oom(err, "configuration", sizeof *r);
    if (m)
        *r = *m;
    else
        mindserve__v1__model_config__init(r);
    r->batching = own_batching(m ? m->batching : NULL, a);
    if (!r->batching)
        return ms_fail_oom(err, "configuration", 0);
    *out = r;
    if (!over)
        return MS_OK;
    merge_batching(over, r->batching);
    if (over->has_input_names) {
        r->input_names = over->input_names.item;
        r->n_input_names = (size_t)over->input_names.n;
    }
    if (over->has_output_names) {
        r->output_names = over->output_names.item;
        r->n_output_names = (size_t)over->output_names.n;
    }
    if (over->has_labels) {
        r->labels = over->labels.item;
        r->n_labels = (size_t)over->labels.n;
    }
    if (over->has_memory)
        r->memory_budget = (uint64_t)over->memory;
    if (over->has_passes)
        r->passes = over->passes;
    return merge_image(over, r, a) ? MS_OK : ms_fail_oom(err, "configuration", 0);
}

void ms_modelconf_opts(const conf *m, const struct ms_config *c, const struct ms_config_model *over,
                       struct ms_model_opts *o)
{
    const conf_batching *b = m->batching;
    struct ms_batching *to = &o->batching;
    bool chosen = b->_enabled_case == MINDSERVE__V1__MODEL_CONFIG__BATCHING___ENABLED_ENABLED;

    to->enabled = chosen ? b->enabled : c->batching_enabled != MS_OFF;
    to->max_size = (int)(b->max_size ? b->max_size : c->batching_max_size);
    to->max_delay_ns = b->max_delay_us ? (int64_t)b->max_delay_us * MS_US : c->batching_max_delay;
    to->max_queue = (int)(b->max_queue ? b->max_queue : c->batching_max_queue);
    to->max_queue_bytes =
        (size_t)(over && over->has_batching_max_queue_bytes ? over->batching_max_queue_bytes
                                                            : c->batching_max_queue_bytes);
    to->timeout_ns = b->timeout_us ? (int64_t)b->timeout_us * MS_US : c->batching_timeout;
    o->passes = *m->passes ? m->passes : NULL;
    o->memory_budget = m->memory_budget;
    o->max_depth = (int)c->limits_proto_depth;
    o->max_graph_depth = (int)c->limits_graph_depth;
    o->input_names = m->n_input_names ? (const char *const *)m->input_names : NULL;
    o->n_input_names = (int)m->n_input_names;
    o->output_names = m->n_output_names ? (const char *const *)m->output_names : NULL;
    o->n_output_names = (int)m->n_output_names;
    o->labels = (const char *const *)m->labels;
    o->n_labels = (int)m->n_labels;
    o->load_deadline = ms_now() + c->limits_load_time;
    o->self_test_ns = c->limits_self_test_time;
}

/* ---- Triton's model configuration ---- */

/* An integer, also as a string of digits, which is how protobuf's JSON writes 64 bits. */
static ms_code json_number(json_t *o, const char *key, uint64_t max, uint64_t *out, bool *given,
                           struct ms_err *err)
{
    json_t *v = json_object_get(o, key);

    *given = v != NULL;
    if (!v)
        return MS_OK;
    if (json_is_integer(v) && json_integer_value(v) >= 0 &&
        (uint64_t)json_integer_value(v) <= max) {
        *out = (uint64_t)json_integer_value(v);
        return MS_OK;
    }
    if (json_is_string(v) && ms_parse_u64(json_string_value(v), json_string_length(v), max, out))
        return MS_OK;
    return ms_fail(err, MS_INVALID_ARGUMENT, "config: %s: wants a number from 0 to %llu", key,
                   (unsigned long long)max);
}

static ms_code triton_batching(conf_batching *b, json_t *root, struct ms_err *err)
{
    uint64_t v = 0;
    bool given;

    MS_TRY(json_number(root, "max_batch_size", MAX_BATCH, &v, &given, err));
    if (given) {
        b->_enabled_case = MINDSERVE__V1__MODEL_CONFIG__BATCHING___ENABLED_ENABLED;
        b->enabled = v > 0;
        b->max_size = (uint32_t)v;
    }
    json_t *d = json_object_get(root, "dynamic_batching");
    if (!d)
        return MS_OK;
    if (!json_is_object(d))
        return ms_fail(err, MS_INVALID_ARGUMENT, "config: dynamic_batching: wants an object");
    MS_TRY(json_number(d, "max_queue_delay_microseconds", MAX_US / 60, &v, &given, err));
    if (given)
        b->max_delay_us = v;
    json_t *q = json_object_get(d, "default_queue_policy");
    if (q && !json_is_object(q))
        return ms_fail(err, MS_INVALID_ARGUMENT, "config: default_queue_policy: wants an object");
    if (!q)
        return MS_OK;
    MS_TRY(json_number(q, "max_queue_size", MAX_QUEUE, &v, &given, err));
    if (given)
        b->max_queue = (uint32_t)v;
    MS_TRY(json_number(q, "default_timeout_microseconds", MAX_US, &v, &given, err));
    if (given)
        b->timeout_us = v;
    return MS_OK;
}

ms_code ms_modelconf_triton(conf *m, const char *json, struct ms_arena *a, struct ms_err *err)
{
    json_error_t why;
    if (strlen(json) > MAX_CONFIG)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config: too long");
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return ms_fail(err, MS_INVALID_ARGUMENT, "config: line %d: %s", why.line, why.text);
    ms_code code = MS_OK;
    m->batching = own_batching(m->batching, a);
    if (!json_is_object(root))
        code = ms_fail(err, MS_INVALID_ARGUMENT, "config: wants an object");
    else if (!m->batching)
        code = ms_fail_oom(err, "configuration", 0);
    else
        code = triton_batching(m->batching, root, err);
    json_decref(root);
    return code;
}
