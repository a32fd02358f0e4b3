/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - model files on this machine. */
#include "client/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"

/* As many as the daemon takes by default: more would be refused there anyway. */
enum { MAX_FILES = 4096 };

static ms_code add_file(struct ms_file_source *s, const char *path, const char *location,
                        bool beneath, struct ms_err *err)
{
    struct ms_source_file *f;

    if (s->n >= MAX_FILES)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the model refers to more than %d files",
                       MAX_FILES);
    if (s->n == s->cap) {
        int cap = s->cap ? s->cap * 2 : 4;
        f = ms_reallocarray(s->file, (size_t)cap, sizeof *f);
        if (!f)
            return ms_fail_oom(err, "list of files", (size_t)cap * sizeof *f);
        s->file = f;
        s->cap = cap;
    }
    f = &s->file[s->n];
    *f = (struct ms_source_file){.location = ms_strdup(location)};
    if (!f->location)
        return ms_fail_oom(err, "name of a file", strlen(location));
    s->n++; /* from here on ms_source_free looks after it */
    return ms_map_file(beneath ? s->dirfd : AT_FDCWD, path, beneath, &f->map, err);
}

static ms_code open_beside(void *arg, const char *location, struct ms_bytes *out,
                           struct ms_err *err)
{
    struct ms_file_source *s = arg;
    int i = 1;

    while (i < s->n && strcmp(s->file[i].location, location) != 0)
        i++;
    if (i >= s->n)
        MS_TRY(add_file(s, location, location, true, err));
    *out = ms_bytes(s->file[i].map.data, s->file[i].map.len);
    return MS_OK;
}

static ms_code open_folder(struct ms_file_source *s, const char *path, const char *base,
                           struct ms_err *err)
{
    size_t len = (size_t)(base - path);
    char *folder = len ? ms_strndup(path, len) : ms_strdup(".");

    if (!folder)
        return ms_fail_oom(err, "path", len);
    s->dirfd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ms_free(folder);
    if (s->dirfd < 0)
        return ms_fail(err, MS_NOT_FOUND, "%s: its folder: %s", base, strerror(errno));
    return MS_OK;
}

ms_code ms_source_open(const char *path, struct ms_file_source **out, struct ms_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    struct ms_file_source *s = ms_calloc(1, sizeof *s);
    ms_code code;

    if (!s)
        return ms_fail_oom(err, "source", sizeof *s);
    s->dirfd = -1;
    code = open_folder(s, path, base, err);
    if (code == MS_OK)
        code = add_file(s, path, base, false, err);
    if (code != MS_OK) {
        ms_source_free(s);
        return code;
    }
    s->src = (struct ms_source){
        .main = ms_bytes(s->file[0].map.data, s->file[0].map.len), .open = open_beside, .arg = s};
    *out = s;
    return MS_OK;
}

void ms_source_free(void *arg)
{
    struct ms_file_source *s = arg;

    if (!s)
        return;
    for (int i = 0; i < s->n; i++) {
        ms_unmap(&s->file[i].map);
        ms_free(s->file[i].location);
    }
    if (s->dirfd >= 0)
        close(s->dirfd);
    ms_free(s->file);
    ms_free(s);
}

ms_code ms_source_read(struct ms_file_source *s, struct ms_reading *r, struct ms_err *err)
{
    struct ms_read_limits lim = ms_read_limits_default(s->src.main.len);

    memset(r, 0, sizeof *r);
    ms_arena_init(&r->arena, lim.max_heap);
    ms_buf_init(&r->missing, 1 << 20);
    r->format = ms_format_sniff(s->src.main);
    if (!r->format)
        return ms_fail(err, MS_INVALID_ARGUMENT, "neither an ONNX nor a MindIR model");
    return r->format->read(&s->src, &lim, &r->arena, &r->graph, &r->missing, err);
}

void ms_reading_done(struct ms_reading *r)
{
    ms_buf_done(&r->missing);
    ms_arena_done(&r->arena);
}

char *ms_stem_name(struct ms_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    char *name = ms_arena_strndup(a, base, len < 128 ? len : 128);

    for (char *p = name; p && *p; p++) {
        char one[3] = {'a', *p, '\0'};
        if (!ms_model_name_valid(one, 2) || (p == name && !ms_model_name_valid(p, 1)) ||
            (p > name && *p == '.' && p[-1] == '.'))
            *p = p == name ? 'm' : '_';
    }
    return name && *name ? name : ms_arena_strdup(a, "model");
}
