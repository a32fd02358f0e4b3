/* SPDX-License-Identifier: Apache-2.0 */
/* common.c - opening the library, and text for people and scripts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/msctl.h"

#define ADMIN_SOCKET "/run/mindserve/admin.sock"

static int open_library(struct ms_cli *c, const struct mindserve_options *o, struct mindserve **out)
{
    struct mindserve_error err;

    if (mindserve_open(o, out, &err) != MINDSERVE_OK)
        return ms_cli_failed(c, &err);
    return MS_EXIT_OK;
}

int ms_cli_local(struct ms_cli *c, const struct mindserve_options *o, struct mindserve **out)
{
    return open_library(c, o, out);
}

/* The admin socket counts when this user may write to it. */
static bool admin_socket(void)
{
    struct stat st;

    return stat(ADMIN_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode) && access(ADMIN_SOCKET, W_OK) == 0;
}

int ms_cli_remote(struct ms_cli *c, struct mindserve **out)
{
    struct mindserve_options o = MINDSERVE_OPTIONS_INIT;
    const char *env = getenv("MINDSERVE_SERVER");

    o.server = c->server;
    if (!o.server && env && *env)
        o.server = env;
    if (!o.server)
        o.server = admin_socket() ? "unix:" ADMIN_SOCKET : "127.0.0.1:8001";
    o.token_file = c->token_file;
    o.ca_file = c->ca;
    o.cert_file = c->cert;
    o.key_file = c->key;
    return open_library(c, &o, out);
}

struct ms_cli_name ms_cli_name(const char *name)
{
    struct ms_cli_name n;

    ms_escape(n.text, 121, name ? name : "", name ? strlen(name) : 0);
    return n;
}

struct ms_cli_name ms_cli_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct ms_cli_name n;
    double v = (double)bytes;
    int u = 0;

    while (v >= 1024 && u < 4) {
        v /= 1024;
        u++;
    }
    (void)snprintf(n.text, sizeof n.text, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return n;
}

void ms_cli_json(struct ms_buf *b, const char *s)
{
    ms_buf_json(b, s ? s : "", s ? strlen(s) : 0);
}

int ms_cli_print(struct ms_cli *c, struct ms_buf *b)
{
    int code = MS_EXIT_OK;

    if (!ms_buf_ok(b))
        code = ms_cli_fail(c, "out of memory");
    else if (fwrite(ms_buf_str(b), 1, b->len, stdout) != b->len || fflush(stdout) != 0)
        code = ms_cli_fail(c, "standard output: %s", strerror(errno));
    ms_buf_done(b);
    return code;
}
