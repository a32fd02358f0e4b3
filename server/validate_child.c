/* SPDX-License-Identifier: Apache-2.0 */
/* validate_child.c - the short-lived process that reads a stranger's model first. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/map.h"
#include "runtime/model.h"
#include "server/bundle.h"
#include "server/sandbox.h"
#include "server/validate_job.h"

enum { STATE_FD = 3, JOB_ARENA = 64 << 20 };
#define EXTRA_SPACE ((size_t)1 << 30) /* of the address space: program, libraries, scratch */

void ms_validate_put(struct ms_buf *b, const struct ms_version *v, const struct ms_validate_opts *o)
{
    ms_buf_printf(b, "%s\n%zu %lld %d %d %d %d\n", o->passes ? o->passes : "all", o->memory,
                  (long long)o->time, o->max_depth, o->max_graph_depth, o->pushing, v->n_files);
    for (int i = 0; i < v->n_files; i++)
        ms_buf_printf(b, "%s %lld %s\n", v->files[i].hex, (long long)v->files[i].size,
                      v->files[i].path);
}

struct job {
    struct ms_version v;
    struct ms_validate_opts o;
};

/* Takes the next line off the text; NULL at the end. */
static char *line(char **text)
{
    char *from = *text, *end = strchr(from, '\n');

    if (!end)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return from;
}

/* The daemon's own words; still, a line that does not read is an error and nothing worse. */
static bool parse(char *text, struct ms_arena *a, struct job *j)
{
    char *passes = line(&text), *numbers = line(&text);
    long long time;
    int pushing, n, end;

    if (!passes || !numbers ||
        sscanf(numbers, "%zu %lld %d %d %d %d", &j->o.memory, &time, &j->o.max_depth,
               &j->o.max_graph_depth, &pushing, &n) != 6 ||
        n < 1)
        return false;
    struct ms_version_file *f = ms_arena_array(a, (size_t)n, sizeof *f);
    if (!f)
        return false;
    for (int i = 0; i < n; i++) {
        char *s = line(&text);
        long long size;
        if (!s || strlen(s) < 66 || s[64] != ' ' || sscanf(s + 65, "%lld %n", &size, &end) != 1)
            return false;
        s[64] = '\0';
        f[i] = (struct ms_version_file){.hex = s, .size = size, .path = s + 65 + end};
        j->v.bytes += size;
    }
    j->v.files = f;
    j->v.n_files = n;
    j->o.passes = passes;
    j->o.time = time;
    j->o.pushing = pushing != 0;
    return true;
}

static char *read_job(struct ms_arena *a)
{
    char *text = ms_arena_alloc(a, MS_VALIDATE_MAX_JOB + 1);
    size_t have = 0;
    ssize_t n = 1;

    while (text && n > 0 && have < MS_VALIDATE_MAX_JOB) {
        n = read(STDIN_FILENO, text + have, MS_VALIDATE_MAX_JOB - have);
        have += n > 0 ? (size_t)n : 0;
    }
    return n == 0 ? text : NULL;
}

static ms_code validate(struct job *j, struct ms_err *err)
{
    struct ms_bundle *bundle;
    struct ms_source src;
    struct ms_model_opts o;
    size_t space = EXTRA_SPACE + 2 * j->o.memory + (size_t)j->v.bytes;

    ms_model_opts_init(&o);
    o.passes = j->o.passes;
    o.max_depth = j->o.max_depth;
    o.max_graph_depth = j->o.max_graph_depth;
    o.load_deadline = ms_now() + j->o.time;
    /* What is asked for once and kept must be asked for while files can still be opened. */
    (void)ms_cpu();
    (void)ms_hash("", 0);
    MS_TRY(ms_bundle_open(STATE_FD, &j->v, j->o.pushing, &bundle, &src, err));
    ms_code code = ms_sandbox_enter(space, (unsigned)(j->o.time / MS_SEC) + 2, err);
    if (code == MS_OK)
        code = ms_model_check(&src, &o, j->o.memory, err);
    ms_bundle_release(bundle);
    return code;
}

/* First in line when memory runs out: its end is an answer. */
static void volunteer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t ignored = write(fd, "1000", 4);
        (void)ignored;
        close(fd);
    }
}

int ms_validate_child(void)
{
    struct ms_arena a;
    struct job j = {0};
    struct ms_err err = {0};
    struct ms_verdict v = {0};

    volunteer();
    ms_background_leave();
    ms_arena_init(&a, JOB_ARENA);
    char *text = read_job(&a);
    if (!text || !parse(text, &a, &j))
        v.code = ms_fail(&err, MS_INTERNAL, "validate: a job that does not read");
    else
        v.code = validate(&j, &err);
    if (v.code != MS_OK) {
        v.reason = err.reason;
        memcpy(v.text, err.text, sizeof v.text);
    }
    ms_arena_done(&a);
    ssize_t n = write(STDOUT_FILENO, &v, sizeof v);
    return n == (ssize_t)sizeof v ? 0 : 1;
}
