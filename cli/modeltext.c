/* SPDX-License-Identifier: Apache-2.0 */
/* modeltext.c - versions and ports, for people and for scripts. */
#include "cli/modeltext.h"

void ms_cli_model_rows(struct ms_buf *b, const struct mindserve_model *m, int n)
{
    ms_buf_printf(b, "  %-24s %7s %-11s %-7s %10s %10s %10s %8s\n", "model", "version", "state",
                  "format", "file", "memory", "requests", "failed");
    for (int i = 0; i < n; i++) {
        ms_buf_printf(b, "%c %-24s %7llu %-11s %-7s %10s",
                      m[i].live       ? '*'
                      : m[i].previous ? '-'
                                      : ' ',
                      ms_cli_safe(m[i].name), (unsigned long long)m[i].version,
                      ms_cli_safe(m[i].state), ms_cli_safe(m[i].format),
                      ms_cli_bytes(m[i].file_bytes));
        ms_buf_printf(b, " %10s %10llu %8llu%s%s\n", ms_cli_bytes(m[i].memory),
                      (unsigned long long)m[i].requests, (unsigned long long)m[i].failures,
                      m[i].reason[0] ? "  " : "", ms_cli_safe(m[i].reason));
    }
}

void ms_cli_model_json(struct ms_buf *b, const struct mindserve_model *m)
{
    ms_buf_puts(b, "{\"name\":");
    ms_cli_json(b, m->name);
    ms_buf_printf(b, ",\"version\":%llu,\"live\":%s,\"previous\":%s,\"state\":",
                  (unsigned long long)m->version, m->live ? "true" : "false",
                  m->previous ? "true" : "false");
    ms_cli_json(b, m->state);
    ms_buf_puts(b, ",\"reason\":");
    ms_cli_json(b, m->reason);
    ms_buf_puts(b, ",\"format\":");
    ms_cli_json(b, m->format);
    ms_buf_puts(b, ",\"digest\":");
    ms_cli_json(b, m->digest);
    ms_buf_printf(b,
                  ",\"file_bytes\":%llu,\"memory\":%llu,\"created\":%lld,\"requests\":%llu,"
                  "\"failures\":%llu}",
                  (unsigned long long)m->file_bytes, (unsigned long long)m->memory,
                  (long long)m->created, (unsigned long long)m->requests,
                  (unsigned long long)m->failures);
}

void ms_cli_ports_text(struct ms_buf *b, const char *what, const struct mindserve_port *p, int n)
{
    for (int k = 0; k < n; k++)
        ms_buf_printf(b, "%-9s %s %s%s\n", what, ms_cli_safe(p[k].name),
                      mindserve_dtype_name(p[k].dtype), ms_cli_safe(p[k].shape));
}

void ms_cli_ports_json(struct ms_buf *b, const char *name, const struct mindserve_port *p, int n)
{
    ms_buf_printf(b, "\"%s\":[", name);
    for (int k = 0; k < n; k++) {
        ms_buf_puts(b, k ? ",{\"name\":" : "{\"name\":");
        ms_cli_json(b, p[k].name);
        ms_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[", mindserve_dtype_oip(p[k].dtype));
        for (int d = 0; d < p[k].rank; d++)
            ms_buf_printf(b, d ? ",%lld" : "%lld", (long long)p[k].dim[d]);
        ms_buf_puts(b, "]}");
    }
    ms_buf_putc(b, ']');
}
