/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_status.c - a daemon in a few lines. */
#include "cli/msctl.h"

static const struct ms_cli_option options[] = {{0}};

static void status_text(struct ms_buf *b, const struct mindserve_status *s)
{
    ms_buf_printf(b, "mindserved %s, %s, up %llu s, pid %llu\n", ms_cli_safe(s->version),
                  ms_cli_safe(s->state), (unsigned long long)s->uptime_s,
                  (unsigned long long)s->pid);
    ms_buf_printf(b, "models    %u ready of %u\n", s->models_ready, s->models_total);
    ms_buf_printf(b, "requests  %llu answered, %llu failed, %llu rejected, %llu waiting\n",
                  (unsigned long long)s->requests, (unsigned long long)s->failures,
                  (unsigned long long)s->rejected, (unsigned long long)s->queued);
    ms_buf_printf(b, "compute   %u threads, %s\n", s->threads, ms_cli_safe(s->isa));
    ms_buf_printf(b, "memory    %s resident\n", ms_cli_bytes(s->rss));
    ms_buf_printf(b, "store     %s\n", ms_cli_bytes(s->store_bytes));
    ms_buf_printf(
        b, "listens   http %s, grpc %s, metrics %s\n", s->http[0] ? ms_cli_safe(s->http) : "off",
        s->grpc[0] ? ms_cli_safe(s->grpc) : "off", s->metrics[0] ? ms_cli_safe(s->metrics) : "off");
}

static void text_field(struct ms_buf *b, const char *key, const char *value)
{
    ms_buf_printf(b, ",\"%s\":", key);
    ms_cli_json(b, value);
}

static void status_json(struct ms_buf *b, const struct mindserve_status *s)
{
    ms_buf_puts(b, "{\"version\":");
    ms_cli_json(b, s->version);
    text_field(b, "state", s->state);
    text_field(b, "isa", s->isa);
    text_field(b, "http", s->http);
    text_field(b, "grpc", s->grpc);
    text_field(b, "metrics", s->metrics);
    ms_buf_printf(b,
                  ",\"uptime_s\":%llu,\"pid\":%llu,\"threads\":%u,\"rss\":%llu,"
                  "\"models_ready\":%u,\"models_total\":%u,\"requests\":%llu,\"failures\":%llu,"
                  "\"rejected\":%llu,\"queued\":%llu,\"store_bytes\":%llu}\n",
                  (unsigned long long)s->uptime_s, (unsigned long long)s->pid, s->threads,
                  (unsigned long long)s->rss, s->models_ready, s->models_total,
                  (unsigned long long)s->requests, (unsigned long long)s->failures,
                  (unsigned long long)s->rejected, (unsigned long long)s->queued,
                  (unsigned long long)s->store_bytes);
}

static int run(struct ms_cli *c)
{
    struct mindserve_status *s;
    struct mindserve_error err;
    struct mindserve *ms;
    struct ms_buf b;
    int code;

    if (!ms_cli_words(c, 0, NULL, NULL))
        return MS_EXIT_USAGE;
    code = ms_cli_remote(c, &ms);
    if (code != MS_EXIT_OK)
        return code;
    if (mindserve_status(ms, &s, &err) != MINDSERVE_OK) {
        code = ms_cli_failed(c, &err);
    } else {
        ms_buf_init(&b, 1 << 20);
        if (c->json)
            status_json(&b, s);
        else
            status_text(&b, s);
        code = ms_cli_print(c, &b);
        mindserve_status_free(s);
    }
    mindserve_close(ms);
    return code;
}

const struct ms_cli_command ms_cmd_status = {
    .name = "status",
    .args = "",
    .help = "a daemon's state, load and addresses",
    .examples = "  msctl status\n  msctl status --server unix:/run/mindserve/admin.sock -o json\n",
    .options = options,
    .run = run,
};
