/* SPDX-License-Identifier: Apache-2.0 */
/* modelfile.c - the YAML file of one model. Its keys are those below models.NAME of the daemon's
 * file, so that what was tried with a deploy can be moved there; some make sense only there. */
#include "cli/modelfile.h"

#include "base/clock.h"

/* The entry's name while it is read; it never leaves this file. */
#define ENTRY "model"

static int only_for_daemon(struct ms_cli *c, const char *path, const struct ms_config_model *m)
{
    const char *key = m->has_required                   ? "required"
                      : m->has_dtype                    ? "dtype"
                      : m->has_batching_max_queue_bytes ? "batching.max_queue_bytes"
                                                        : NULL;

    if (!key)
        return MS_EXIT_OK;
    return ms_cli_usage(c, "%s: %s is the daemon's to decide: it belongs into its own file", path,
                        key);
}

static void fill_image(const struct ms_config_model *m, struct mindserve_image *i)
{
    static const char *const channels[] = {"rgb", "bgr", "gray"};

    i->given = m->has_image_layout || m->has_image_channels || m->has_image_scale ||
               m->has_image_mean || m->has_image_std || m->has_image_invert;
    i->nhwc = m->has_image_layout && m->image_layout == 1;
    i->channels = m->has_image_channels ? channels[m->image_channels] : NULL;
    i->scale = m->has_image_scale ? m->image_scale : 0;
    i->mean = m->image_mean.item;
    i->n_mean = m->image_mean.n;
    i->std = m->image_std.item;
    i->n_std = m->image_std.n;
    i->invert = m->has_image_invert && m->image_invert;
}

static void fill(const struct ms_config_model *m, struct mindserve_config *o)
{
    if (m->has_batching_enabled && m->batching_enabled != MS_AUTO)
        o->batching = m->batching_enabled == MS_ON ? 1 : -1;
    if (m->has_batching_max_size)
        o->batch_max = (uint32_t)m->batching_max_size;
    if (m->has_batching_max_delay)
        o->batch_delay_us = (uint64_t)(m->batching_max_delay / MS_US);
    if (m->has_batching_max_queue)
        o->max_queue = (uint32_t)m->batching_max_queue;
    if (m->has_batching_timeout)
        o->timeout_us = (uint64_t)(m->batching_timeout / MS_US);
    if (m->has_memory)
        o->memory_budget = (uint64_t)m->memory;
    if (m->has_passes)
        o->passes = m->passes;
    o->input_names = (const char *const *)m->input_names.item;
    o->n_input_names = m->input_names.n;
    o->output_names = (const char *const *)m->output_names.item;
    o->n_output_names = m->output_names.n;
    o->labels = (const char *const *)m->labels.item;
    o->n_labels = m->labels.n;
    fill_image(m, &o->image);
}

int ms_cli_modelfile_read(struct ms_cli *c, const char *path, struct ms_cli_modelfile *m)
{
    const struct ms_config_model *entry;
    struct ms_err err;
    int code;

    *m = (struct ms_cli_modelfile){.config = MINDSERVE_CONFIG_INIT};
    if (ms_config_new(&m->yaml, &err) != MS_OK)
        return ms_cli_fail(c, "%s", err.text);
    if (ms_config_read_model_file(m->yaml, path, ENTRY, &err) != MS_OK)
        return ms_cli_usage(c, "%s", err.text);
    entry = ms_config_model(m->yaml, ENTRY);
    code = only_for_daemon(c, path, entry);
    if (code == MS_EXIT_OK)
        fill(entry, &m->config);
    return code;
}

void ms_cli_modelfile_done(struct ms_cli_modelfile *m)
{
    ms_config_free(m->yaml);
}
