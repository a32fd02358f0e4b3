/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_test.c - folders of reference data, one line a folder.
 *
 * A folder with a model in it is a case; any other is searched for cases. Each case runs in a child
 * process with a time limit, so that one that dies or hangs is one FAIL and not the end. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/input.h"
#include "cli/testcase.h"

enum { MAX_DEPTH = 8, MAX_PATH = 4096 };

struct list { /* lines NAME WORDS of a file */
    char *text;
    const char **name, **words;
    int n;
};

struct wish {
    struct ms_cli_bounds bounds;
    uint64_t threads, timeout;
    bool same_process;
    struct list skip, wide;
    int n[3];          /* passed, failed, skipped */
    struct ms_buf out; /* JSON */
    bool json;
};

enum { OPT_SKIP, OPT_WIDE, OPT_RTOL, OPT_ATOL, OPT_THREADS, OPT_TIMEOUT, OPT_SAME };
static const struct ms_cli_option options[] = {
    [OPT_SKIP] = {"skip-list", "FILE",
                  "cases that may fail: NAME REASON lines; one that passes fails", 0},
    [OPT_WIDE] = {"bound-list", "FILE",
                  "networks with a bound of their own: NAME BOUND REASON lines", 0},
    [OPT_RTOL] = {"rtol", "X", "relative bound of f32 and f64 (default 1e-3)", 0},
    [OPT_ATOL] = {"atol", "X", "absolute bound of f32 and f64 (default 1e-7)", 0},
    [OPT_THREADS] = {"threads", "N", "workers (default 1)", 0},
    [OPT_TIMEOUT] = {"timeout", "S", "seconds for one case (default 120)", 0},
    [OPT_SAME] = {"same-process", NULL, "no child processes, for debuggers", 0},
    {0},
};

/* ---- lists of cases ---- */

static int read_list(struct ms_cli *c, const char *option, const char *path, struct list *l)
{
    struct ms_err err;
    uint8_t *bytes;
    size_t len, lines = 1;

    if (l->text)
        return ms_cli_usage(c, "--%s twice", option);
    if (ms_cli_file_read(path, 16 << 20, &bytes, &len, &err) != MS_OK)
        return ms_cli_fail(c, "%s", err.text);
    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n';
    l->text = (char *)bytes;
    l->name = ms_calloc(lines, sizeof *l->name);
    l->words = ms_calloc(lines, sizeof *l->words);
    if (!l->name || !l->words)
        return ms_cli_fail(c, "out of memory");
    for (char *line = l->text, *end; *line; line = end) {
        end = strchrnul(line, '\n');
        if (*end)
            *end++ = '\0';
        line += strspn(line, " \t");
        char *name_end = line + strcspn(line, " \t\r#");
        char *words = name_end + strspn(name_end, " \t\r#:");
        if (name_end == line)
            continue; /* empty, or a comment */
        *name_end = '\0';
        words[strcspn(words, "\r")] = '\0';
        l->name[l->n] = line;
        l->words[l->n++] = words;
    }
    return MS_EXIT_OK;
}

static int read_bounds(struct ms_cli *c, const char *path, struct list *l)
{
    int code = read_list(c, "bound-list", path, l);

    for (int i = 0; i < l->n && code == MS_EXIT_OK; i++) {
        char *end;
        double x = strtod(l->words[i], &end);
        if (end == l->words[i] || !(x > 0 && x < 1))
            code = ms_cli_usage(c, "--bound-list: '%.100s' wants a number between 0 and 1",
                                l->name[i]);
    }
    return code;
}

static void free_list(struct list *l)
{
    ms_free(l->name);
    ms_free(l->words);
    ms_free(l->text);
}

/* The words if the folder is listed, by its name or the end of its path. */
static const char *listed(const struct list *l, const char *dir)
{
    size_t n = strlen(dir);

    for (int i = 0; i < l->n; i++) {
        size_t m = strlen(l->name[i]);
        if (m <= n && strcmp(dir + n - m, l->name[i]) == 0 && (m == n || dir[n - m - 1] == '/'))
            return *l->words[i] ? l->words[i] : "listed";
    }
    return NULL;
}

/* ---- one case ---- */

static void run_here(const char *dir, const char *model, const struct wish *w,
                     struct ms_cli_result *r)
{
    const char *wide = listed(&w->wide, dir);
    struct ms_cli_bounds b = w->bounds;

    if (wide)
        b.of_largest = strtod(wide, NULL);
    ms_cli_case_run(dir, model, (int)w->threads, &b, r);
}

static void child(const char *dir, const char *model, const struct wish *w, int fd)
{
    struct ms_cli_result r = {.verdict = MS_CLI_FAIL};
    ssize_t written;

    run_here(dir, model, w, &r);
    written = write(fd, &r, sizeof r);
    _exit(written == sizeof r ? 0 : 1);
}

/* Waits for the child's verdict; what it does not say in time is a failure. */
static void listen_to(pid_t pid, int fd, const struct wish *w, struct ms_cli_result *r)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t end = ms_now() + (int64_t)w->timeout * MS_SEC;
    int ready, status = 0;
    ssize_t got = 0;

    do {
        int64_t left = (end - ms_now()) / MS_MS;
        ready = poll(&p, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready > 0)
        got = read(fd, r, sizeof *r);
    else
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    r->why[sizeof r->why - 1] = '\0';
    if (got == sizeof *r && WIFEXITED(status))
        return;
    r->verdict = MS_CLI_FAIL;
    if (ready <= 0)
        (void)snprintf(r->why, sizeof r->why, "no result after %llu s",
                       (unsigned long long)w->timeout);
    else if (WIFSIGNALED(status))
        (void)snprintf(r->why, sizeof r->why, "died of signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(r->why, sizeof r->why, "ended with exit code %d", WEXITSTATUS(status));
}

static void run_case(const char *dir, const char *model, const struct wish *w,
                     struct ms_cli_result *r)
{
    int fd[2];
    pid_t pid;

    if (w->same_process) {
        run_here(dir, model, w, r);
        return;
    }
    fflush(stdout);
    if (pipe(fd) != 0 || (pid = fork()) < 0) {
        *r = (struct ms_cli_result){.verdict = MS_CLI_FAIL};
        (void)snprintf(r->why, sizeof r->why, "cannot start a process: %s", strerror(errno));
        return;
    }
    if (pid == 0) {
        close(fd[0]);
        child(dir, model, w, fd[1]);
    }
    close(fd[1]);
    listen_to(pid, fd[0], w, r);
    close(fd[0]);
}

static void tell(struct wish *w, const char *dir, const struct ms_cli_result *r)
{
    static const char *const words[] = {"PASS", "FAIL", "SKIP"};
    char safe_dir[1024], safe_why[1024];

    w->n[r->verdict]++;
    if (w->json) {
        ms_buf_printf(&w->out, "%s{\"case\":", w->out.len > 10 ? "," : "");
        ms_cli_json(&w->out, dir);
        ms_buf_printf(&w->out, ",\"verdict\":\"%s\",\"why\":", words[r->verdict]);
        ms_cli_json(&w->out, r->why);
        ms_buf_putc(&w->out, '}');
        return;
    }
    ms_escape(safe_dir, sizeof safe_dir, dir, strlen(dir));
    ms_escape(safe_why, sizeof safe_why, r->why, strlen(r->why));
    printf("%s %s%s%s\n", words[r->verdict], safe_dir, *safe_why ? ": " : "", safe_why);
    fflush(stdout);
}

static void test_case(struct wish *w, const char *dir, const char *model)
{
    const char *reason = listed(&w->skip, dir);
    struct ms_cli_result r = {.verdict = MS_CLI_FAIL};

    run_case(dir, model, w, &r);
    if (reason && r.verdict == MS_CLI_PASS) {
        r.verdict = MS_CLI_FAIL;
        (void)snprintf(r.why, sizeof r.why, "is on the skip list, but passes");
    } else if (reason) {
        r.verdict = MS_CLI_SKIP;
        (void)snprintf(r.why, sizeof r.why, "%s", reason);
    }
    tell(w, dir, &r);
}

/* ---- folders ---- */

static int is_folder(const struct dirent *e)
{
    return e->d_name[0] != '.' &&
           (e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN);
}

static int visit(struct ms_cli *c, struct wish *w, const char *dir, int depth)
{
    char model[256], path[MAX_PATH];
    struct dirent **entry;
    struct stat st;
    int n, code = MS_EXIT_OK;

    ms_cli_case_model(dir, model, sizeof model);
    if (*model) {
        test_case(w, dir, model);
        return MS_EXIT_OK;
    }
    n = scandir(dir, &entry, is_folder, alphasort);
    if (n < 0)
        return ms_cli_fail(c, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (code == MS_EXIT_OK && depth < MAX_DEPTH &&
            snprintf(path, sizeof path, "%s/%s", dir, entry[i]->d_name) < MAX_PATH &&
            stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            code = visit(c, w, path, depth + 1);
        free(entry[i]); /* banned: scandir's own allocation */
    }
    free(entry); /* banned: scandir's own allocation */
    return code;
}

static bool take_bound(struct ms_cli *c, const char *what, double *out)
{
    char *end;

    *out = strtod(c->value, &end);
    if (end != c->value && *end == '\0' && *out >= 0)
        return true;
    ms_cli_usage(c, "%s %s: must be a number >= 0", what, c->value);
    return false;
}

static int take(struct ms_cli *c, int what, struct wish *w)
{
    switch (what) {
    case OPT_SKIP:
        return read_list(c, "skip-list", c->value, &w->skip);
    case OPT_WIDE:
        return read_bounds(c, c->value, &w->wide);
    case OPT_RTOL:
        w->bounds.chosen = true;
        return take_bound(c, "--rtol", &w->bounds.rtol) ? MS_EXIT_OK : MS_EXIT_USAGE;
    case OPT_ATOL:
        w->bounds.chosen = true;
        return take_bound(c, "--atol", &w->bounds.atol) ? MS_EXIT_OK : MS_EXIT_USAGE;
    case OPT_THREADS:
        return ms_cli_number(c, "--threads", 1024, &w->threads) ? MS_EXIT_OK : MS_EXIT_USAGE;
    case OPT_TIMEOUT:
        return ms_cli_number(c, "--timeout", 86400, &w->timeout) ? MS_EXIT_OK : MS_EXIT_USAGE;
    default:
        w->same_process = true;
        return MS_EXIT_OK;
    }
}

/* Words are kept in place, at the front of argv, while options are read. */
static int read_line(struct ms_cli *c, struct wish *w, int *n_dirs, char **dirs)
{
    int what, code;

    while ((what = ms_cli_next(c)) != MS_CLI_END) {
        if (what == MS_CLI_BAD)
            return MS_EXIT_USAGE;
        if (what == MS_CLI_WORD) {
            dirs[(*n_dirs)++] = c->argv[c->at - 1];
            continue;
        }
        code = take(c, what, w);
        if (code != MS_EXIT_OK)
            return code;
    }
    return *n_dirs ? MS_EXIT_OK : ms_cli_usage(c, "DIR is missing; msctl test --help tells more");
}

static int summary(struct ms_cli *c, struct wish *w)
{
    int code = w->n[MS_CLI_FAIL] ? MS_EXIT_FAILED : MS_EXIT_OK;

    if (!w->json) {
        printf("%d passed, %d failed, %d skipped\n", w->n[0], w->n[1], w->n[2]);
        return code;
    }
    ms_buf_printf(&w->out, "],\"passed\":%d,\"failed\":%d,\"skipped\":%d}\n", w->n[0], w->n[1],
                  w->n[2]);
    int printed = ms_cli_print(c, &w->out);
    return printed != MS_EXIT_OK ? printed : code;
}

static int run(struct ms_cli *c)
{
    struct wish w = {.bounds = MS_CLI_BOUNDS, .threads = 1, .timeout = 120};
    char **dirs = ms_calloc((size_t)c->argc + 1, sizeof *dirs);
    int n_dirs = 0, code;

    if (!dirs)
        return ms_cli_fail(c, "out of memory");
    code = read_line(c, &w, &n_dirs, dirs);
    w.json = c->json;
    ms_buf_init(&w.out, 64 << 20);
    ms_buf_puts(&w.out, "{\"cases\":[");
    for (int i = 0; i < n_dirs && code == MS_EXIT_OK; i++) {
        size_t len = strlen(dirs[i]);
        while (len > 1 && dirs[i][len - 1] == '/')
            dirs[i][--len] = '\0';
        code = visit(c, &w, dirs[i], 0);
    }
    if (code == MS_EXIT_OK)
        code = summary(c, &w);
    ms_buf_done(&w.out);
    ms_free(dirs);
    free_list(&w.skip);
    free_list(&w.wide);
    return code;
}

const struct ms_cli_command ms_cmd_test = {
    .name = "test",
    .args = "DIR... [--skip-list FILE] [--bound-list FILE] [--rtol X] [--atol X]",
    .help = "run models on reference data and compare",
    .text =
        "A folder with a model (*.onnx, *.mindir) and test_data_set_N/{input,output}_K.{npy,pb}\n"
        "is a case; other folders are searched for cases. One line a case, then the sum.\n"
        "Bounds: |a-b| <= 1e-3 |b| + 1e-5 max|b| + 1e-7 for f32 and f64, two units in the last\n"
        "place for f16 and bf16, equality for the rest. A network (16 operators or more, 64 KiB "
        "of\n"
        "weights or more) is held to |a-b| <= 1e-4 max|b| and to the same largest element in each\n"
        "row, unless --rtol or --atol is given. A bound list has networks for which the reference\n"
        "itself varies more than that: their bound takes the place of 1e-4.\n",
    .examples = "  msctl test models/digits\n"
                "  msctl test /usr/share/libonnx-testdata/data/node --skip-list known.txt\n",
    .options = options,
    .run = run,
};
