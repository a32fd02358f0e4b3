/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - how far a deploy is.
 *
 *     send  [#########---------]  52 %  299.1 MiB of 574.8 MiB  212.0 MiB/s  1 s left
 *
 * Steps without bytes (optimise, pack, warm-up) show only their name and count. */
#include "cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

enum { REDRAW_MS = 100, BAR = 24 };

void ms_cli_progress_init(struct ms_cli_progress *p, const struct ms_cli *c)
{
    *p = (struct ms_cli_progress){.terminal = isatty(STDERR_FILENO)};
    p->off = c->quiet || (c->json && !p->terminal);
}

static bool in_bytes(const char *step)
{
    return strcmp(step, "send") == 0 || strcmp(step, "hash") == 0 ||
           strcmp(step, "received") == 0 || strcmp(step, "verify") == 0;
}

/* "1 min 5 s" */
static void put_seconds(struct ms_buf *b, double s)
{
    long whole = s < 1e6 ? (long)s : 1000000;

    if (whole >= 60)
        ms_buf_printf(b, "%ld min ", whole / 60);
    ms_buf_printf(b, "%ld s left", whole % 60);
}

static void put_bar(struct ms_buf *b, const struct ms_cli_progress *p, uint64_t done,
                    uint64_t total, int64_t now)
{
    double part = total ? (double)done / (double)total : 1;
    double seconds = (double)(now - p->begun) / (double)MS_SEC;
    double rate = seconds > 0 ? (double)(done - p->begun_at) / seconds : 0;
    int full = (int)(part * BAR);

    ms_buf_printf(b, "%-8s [", p->step);
    for (int i = 0; i < BAR; i++)
        ms_buf_putc(b, i < full ? '#' : '-');
    ms_buf_printf(b, "] %3.0f %%", part * 100);
    if (!in_bytes(p->step)) {
        ms_buf_printf(b, "  %llu of %llu", (unsigned long long)done, (unsigned long long)total);
        return;
    }
    ms_buf_printf(b, "  %s", ms_cli_bytes(done));
    ms_buf_printf(b, " of %s", ms_cli_bytes(total));
    if (rate > 0 && done < total) {
        ms_buf_printf(b, "  %s/s  ", ms_cli_bytes((uint64_t)rate));
        put_seconds(b, (double)(total - done) / rate);
    }
}

static int columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

static void draw(struct ms_cli_progress *p, uint64_t done, uint64_t total, int64_t now)
{
    struct ms_buf b;

    ms_buf_init(&b, 1024);
    if (total)
        put_bar(&b, p, done, total, now);
    else
        ms_buf_puts(&b, p->step);
    fprintf(stderr, "\r\033[K%.*s", columns() - 1, ms_buf_str(&b));
    fflush(stderr);
    ms_buf_done(&b);
    p->line = true;
    p->shown = now;
}

bool ms_cli_progress_step(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct ms_cli_progress *p = arg;
    struct ms_cli_name safe = ms_cli_name(step);
    int64_t now = ms_now();
    bool fresh = strncmp(p->step, safe.text, sizeof p->step - 1) != 0;

    if (p->off)
        return true;
    if (fresh) {
        (void)snprintf(p->step, sizeof p->step, "%.31s", safe.text);
        p->begun = now;
        p->begun_at = done;
    }
    if (p->terminal) {
        if (fresh || done >= total || now - p->shown >= REDRAW_MS * MS_MS)
            draw(p, done, total, now);
    } else if (fresh && in_bytes(p->step)) {
        fprintf(stderr, "%s %s\n", p->step, ms_cli_bytes(total));
    } else if (fresh) {
        fprintf(stderr, "%s\n", p->step);
    }
    return true;
}

void ms_cli_progress_done(struct ms_cli_progress *p)
{
    if (p->line)
        fprintf(stderr, "\r\033[K");
    p->line = false;
}
