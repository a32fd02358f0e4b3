/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_undeploy.c - take a model, or one version of it, out of a daemon. */
#include "base/mem.h"
#include "cli/msctl.h"

static const struct ms_cli_option options[] = {{0}};

static int undeploy(struct ms_cli *c, struct mindserve *ms, const char *name, uint64_t version)
{
    struct mindserve_versions *v;
    struct mindserve_error err;
    struct ms_buf b;

    if (mindserve_undeploy(ms, name, version, &v, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    ms_buf_init(&b, 16 << 20);
    ms_buf_printf(&b, c->json ? "{\"name\":\"%s\",\"versions\":[" : "%s: gone:", name);
    for (int i = 0; i < v->n; i++)
        ms_buf_printf(&b,
                      c->json && i ? ",%llu"
                      : c->json    ? "%llu"
                                   : " %llu",
                      (unsigned long long)v->version[i]);
    ms_buf_puts(&b, c->json ? "]}\n" : "\n");
    mindserve_versions_free(v);
    return ms_cli_print(c, &b);
}

static int run(struct ms_cli *c)
{
    const char *word = NULL;
    struct mindserve *ms;
    uint64_t version;
    char *name;
    int code;

    if (!ms_cli_words(c, 1, &word, "NAME[:V]"))
        return MS_EXIT_USAGE;
    if (!ms_cli_model(c, word, &name, &version))
        return MS_EXIT_USAGE;
    code = ms_cli_remote(c, &ms);
    if (code == MS_EXIT_OK) {
        code = undeploy(c, ms, name, version);
        mindserve_close(ms);
    }
    ms_free(name);
    return code;
}

const struct ms_cli_command ms_cmd_undeploy = {
    .name = "undeploy",
    .args = "NAME[:V]",
    .help = "take a model, or one version of it, out",
    .text = "Requests that are under way are answered first.\n",
    .examples = "  msctl undeploy digits\n  msctl undeploy digits:2\n",
    .options = options,
    .run = run,
};
