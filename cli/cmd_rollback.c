/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_rollback.c - the previous good version again. */
#include "base/mem.h"
#include "cli/msctl.h"

static const struct ms_cli_option options[] = {{0}};

static int rollback(struct ms_cli *c, struct mindserve *ms, const char *name)
{
    struct mindserve_error err;
    uint64_t now, from;

    if (mindserve_rollback(ms, name, &now, &from, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    printf(c->json ? "{\"name\":\"%s\",\"version\":%llu,\"from\":%llu}\n"
                   : "%s:%llu is live, instead of %llu\n",
           name, (unsigned long long)now, (unsigned long long)from);
    return MS_EXIT_OK;
}

static int run(struct ms_cli *c)
{
    const char *word = NULL;
    struct mindserve *ms;
    uint64_t version;
    char *name;
    int code;

    if (!ms_cli_words(c, 1, &word, "NAME"))
        return MS_EXIT_USAGE;
    if (!ms_cli_model(c, word, &name, &version))
        return MS_EXIT_USAGE;
    code = version ? ms_cli_usage(c, "takes a name without a version") : ms_cli_remote(c, &ms);
    if (code == MS_EXIT_OK) {
        code = rollback(c, ms, name);
        mindserve_close(ms);
    }
    ms_free(name);
    return code;
}

const struct ms_cli_command ms_cmd_rollback = {
    .name = "rollback",
    .args = "NAME",
    .help = "make the previous good version live again",
    .examples = "  msctl rollback digits\n",
    .options = options,
    .run = run,
};
