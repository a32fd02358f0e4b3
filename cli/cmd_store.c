/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_store.c - the daemon's store: read everything again, or remove what nobody refers to. */
#include <string.h>

#include "cli/msctl.h"

static const struct ms_cli_option options[] = {{0}};

static int check(struct ms_cli *c, struct mindserve *ms)
{
    struct mindserve_store_report *r;
    struct mindserve_error err;
    struct ms_buf b;
    int bad, code;

    if (mindserve_store_check(ms, &r, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    bad = r->n_problems;
    ms_buf_init(&b, 64 << 20);
    if (c->json)
        ms_buf_printf(&b, "{\"blobs\":%u,\"bytes\":%llu,\"problems\":[", r->blobs,
                      (unsigned long long)r->bytes);
    for (int i = 0; i < bad && c->json; i++) {
        if (i)
            ms_buf_putc(&b, ',');
        ms_cli_json(&b, r->problems[i]);
    }
    for (int i = 0; i < bad && !c->json; i++)
        ms_buf_printf(&b, "%s\n", ms_cli_safe(r->problems[i]));
    if (c->json)
        ms_buf_puts(&b, "]}\n");
    else
        ms_buf_printf(&b, "%u blobs, %s read: %d problems\n", r->blobs, ms_cli_bytes(r->bytes),
                      bad);
    mindserve_store_report_free(r);
    code = ms_cli_print(c, &b);
    return code == MS_EXIT_OK && bad ? MS_EXIT_FAILED : code;
}

static int gc(struct ms_cli *c, struct mindserve *ms)
{
    struct mindserve_store_report *r;
    struct mindserve_error err;

    if (mindserve_store_gc(ms, &r, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    if (c->json)
        printf("{\"removed\":%u,\"bytes\":%llu}\n", r->blobs, (unsigned long long)r->bytes);
    else
        printf("%u blobs removed, %s\n", r->blobs, ms_cli_bytes(r->bytes));
    mindserve_store_report_free(r);
    return MS_EXIT_OK;
}

static int run(struct ms_cli *c)
{
    const char *what = NULL;
    struct mindserve *ms;
    int code;

    if (!ms_cli_words(c, 1, &what, "check or gc"))
        return MS_EXIT_USAGE;
    if (strcmp(what, "check") != 0 && strcmp(what, "gc") != 0)
        return ms_cli_usage(c, "%s: must be check or gc", what);
    code = ms_cli_remote(c, &ms);
    if (code != MS_EXIT_OK)
        return code;
    code = *what == 'c' ? check(c, ms) : gc(c, ms);
    mindserve_close(ms);
    return code;
}

const struct ms_cli_command ms_cmd_store = {
    .name = "store",
    .args = "check|gc",
    .help = "read every stored byte again, or remove what no version refers to",
    .examples = "  msctl store check\n  msctl store gc -o json\n",
    .options = options,
    .run = run,
};
