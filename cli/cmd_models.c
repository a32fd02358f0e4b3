/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_models.c - what a daemon serves, a line for each version. */
#include "cli/modeltext.h"

static const struct ms_cli_option options[] = {{0}};

static void list_text(struct ms_buf *b, const struct mindserve_models *m)
{
    if (m->n == 0)
        ms_buf_puts(b, "no models\n");
    else
        ms_cli_model_rows(b, m->model, m->n);
}

static void list_json(struct ms_buf *b, const struct mindserve_models *m)
{
    ms_buf_puts(b, "[");
    for (int i = 0; i < m->n; i++) {
        if (i)
            ms_buf_putc(b, ',');
        ms_cli_model_json(b, &m->model[i]);
    }
    ms_buf_puts(b, "]\n");
}

static int run(struct ms_cli *c)
{
    struct mindserve_models *m;
    struct mindserve_error err;
    struct mindserve *ms;
    struct ms_buf b;
    int code;

    if (!ms_cli_words(c, 0, NULL, NULL))
        return MS_EXIT_USAGE;
    code = ms_cli_remote(c, &ms);
    if (code != MS_EXIT_OK)
        return code;
    if (mindserve_list(ms, &m, &err) != MINDSERVE_OK) {
        code = ms_cli_failed(c, &err);
    } else {
        ms_buf_init(&b, 256 << 20);
        if (c->json)
            list_json(&b, m);
        else
            list_text(&b, m);
        code = ms_cli_print(c, &b);
        mindserve_models_free(m);
    }
    mindserve_close(ms);
    return code;
}

const struct ms_cli_command ms_cmd_models = {
    .name = "models",
    .args = "",
    .help = "list the models of a daemon",
    .text = "'*' marks the live version, '-' the one that rollback would make live.\n",
    .examples = "  msctl models\n  msctl models -o json\n",
    .options = options,
    .run = run,
};
