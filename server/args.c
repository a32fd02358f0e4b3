/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - the command line. Flags that have a key in the configuration are only another spelling
 * of
 * --set, so they obey the same rules and win over the file in the order in which they stand. */
#include "server/args.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/version.h"

enum {
    OPT_CONFIG = 256,
    OPT_STATE,
    OPT_HTTP,
    OPT_GRPC,
    OPT_METRICS,
    OPT_ADMIN,
    OPT_THREADS,
    OPT_SET,
    OPT_ENDPOINTS,
    OPT_CHECK,
    OPT_MARKDOWN,
    OPT_YAML,
};

static const struct argp_option options[] = {
    {"config", OPT_CONFIG, "FILE", 0,
     "configuration (default " MS_DEFAULT_CONFIG ", if it is there)", 0},
    {"state", OPT_STATE, "DIR", 0, "state folder; made if it is not there", 0},
    {"http", OPT_HTTP, "ADDR|off", 0, "REST listener", 0},
    {"grpc", OPT_GRPC, "ADDR|off", 0, "gRPC listener", 0},
    {"metrics", OPT_METRICS, "ADDR|off", 0, "Prometheus listener", 0},
    {"admin", OPT_ADMIN, "PATH|off", 0, "unix socket of the admin gRPC", 0},
    {"threads", OPT_THREADS, "N", 0, "worker threads", 0},
    {"set", OPT_SET, "KEY=VALUE", 0, "any option of the list below; may stand more than once", 0},
    {"endpoints-file", OPT_ENDPOINTS, "FILE", 0, "write the addresses as JSON when ready", 0},
    {"check-config", OPT_CHECK, NULL, 0, "read the configuration, say what is wrong, exit", 0},
    {"help-markdown", OPT_MARKDOWN, NULL, OPTION_HIDDEN, NULL, 0},
    {"help-yaml", OPT_YAML, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

/* Keeps KEY=VALUE. */
static void keep(struct ms_args *a, struct argp_state *state, const char *key, const char *value)
{
    size_t size = strlen(key) + strlen(value) + 2;
    char **more = ms_reallocarray(a->set, (size_t)a->n_set + 1, sizeof *more);
    char *text = ms_malloc(size);

    if (!more || !text)
        argp_failure(state, 1, 0, "out of memory");
    a->set = more ? more : a->set;
    if (more && text) {
        snprintf(text, size, "%s%s%s", key, *key ? "=" : "", value);
        a->set[a->n_set++] = text;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ms_args *a = state->input;
    static const char *const keys[] = {
        [OPT_STATE - OPT_CONFIG] = "store.path",
        [OPT_HTTP - OPT_CONFIG] = "listen.http",
        [OPT_GRPC - OPT_CONFIG] = "listen.grpc",
        [OPT_METRICS - OPT_CONFIG] = "listen.metrics",
        [OPT_ADMIN - OPT_CONFIG] = "listen.admin",
        [OPT_THREADS - OPT_CONFIG] = "runtime.threads",
        [OPT_SET - OPT_CONFIG] = "",
    };

    switch (key) {
    case OPT_CONFIG:
        a->config = arg;
        return 0;
    case OPT_ENDPOINTS:
        a->endpoints_file = arg;
        return 0;
    case OPT_CHECK:
        a->action = MS_CHECK_CONFIG;
        return 0;
    case OPT_MARKDOWN:
        a->action = MS_SHOW_MARKDOWN;
        return 0;
    case OPT_YAML:
        a->action = MS_SHOW_YAML;
        return 0;
    case OPT_STATE:
    case OPT_HTTP:
    case OPT_GRPC:
    case OPT_METRICS:
    case OPT_ADMIN:
    case OPT_THREADS:
    case OPT_SET:
        keep(a, state, keys[key - OPT_CONFIG], arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': no arguments are taken", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The table of options behind argp's own text. */
static char *with_options(int key, const char *text, void *input)
{
    struct ms_buf b;

    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    ms_buf_init(&b, 1 << 20);
    ms_config_help(&b);
    char *copy = strdup(ms_buf_str(&b)); /* banned: argp frees it with free() */
    ms_buf_done(&b);
    return copy;
}

static void print_version(FILE *f, struct argp_state *state)
{
    (void)state;
    fprintf(f, "mindserved %s\n", MS_VERSION);
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Serves MindIR and ONNX models over gRPC and REST.\v",
    .help_filter = with_options,
};

void ms_args_parse(struct ms_args *a, int argc, char **argv)
{
    *a = (struct ms_args){0};
    argp_program_version_hook = print_version;
    argp_err_exit_status = 2;
    argv[0] = program_invocation_short_name; /* how messages begin */
    if (argp_parse(&argp, argc, argv, 0, NULL, a) != 0)
        exit(2);
}

void ms_args_done(struct ms_args *a)
{
    for (int i = 0; i < a->n_set; i++)
        ms_free(a->set[i]);
    ms_free(a->set);
}

static ms_code fill(const struct ms_args *a, struct ms_config *c, struct ms_err *err)
{
    if (a->config)
        MS_TRY(ms_config_read_file(c, a->config, err));
    else if (access(MS_DEFAULT_CONFIG, F_OK) == 0)
        MS_TRY(ms_config_read_file(c, MS_DEFAULT_CONFIG, err));
    for (int i = 0; i < a->n_set; i++)
        MS_TRY(ms_config_set(c, a->set[i], err));
    return ms_config_check(c, err);
}

ms_code ms_args_config(const struct ms_args *a, struct ms_config **out, struct ms_err *err)
{
    struct ms_config *c;

    MS_TRY(ms_config_new(&c, err));
    ms_code code = fill(a, c, err);
    if (code != MS_OK) {
        ms_config_free(c);
        return code;
    }
    *out = c;
    return MS_OK;
}
