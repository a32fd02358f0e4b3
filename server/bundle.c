/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.c - a pushed model's files by the names that the model uses for them.
 *
 * A model may refer to other files (external data, split weights). Those names come from strangers,
 * so they are never used as paths: they are looked up among the paths of the manifest, whose bytes
 * lie in files named by digest. */
#include "server/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/store_blob.h"

struct entry {
    char *path;
    struct ms_mapping map;
};

struct ms_bundle {
    int n;
    struct entry entry[];
};

bool ms_bundle_path_valid(const char *path, size_t len)
{
    if (len == 0 || len > 1024 || !ms_utf8_valid(path, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\')
            return false;
    for (size_t from = 0; from <= len;) {
        size_t to = from;
        while (to < len && path[to] != '/')
            to++;
        size_t part = to - from;
        if (part == 0 || (part == 1 && path[from] == '.') ||
            (part == 2 && path[from] == '.' && path[from + 1] == '.'))
            return false;
        from = to + 1;
    }
    return true;
}

void ms_bundle_release(void *arg)
{
    struct ms_bundle *b = arg;

    if (!b)
        return;
    for (int i = 0; i < b->n; i++) {
        ms_unmap(&b->entry[i].map);
        ms_free(b->entry[i].path);
    }
    ms_free(b);
}

/* The bytes of "folder of the main file" + location, or of location itself. */
static ms_code open_location(void *arg, const char *location, struct ms_bytes *out,
                             struct ms_err *err)
{
    struct ms_bundle *b = arg;
    const char *slash = strrchr(b->entry[0].path, '/');
    size_t folder = slash ? (size_t)(slash - b->entry[0].path) + 1 : 0;
    char shown[160];

    while (strncmp(location, "./", 2) == 0)
        location += 2;
    if (!ms_bundle_path_valid(location, strlen(location)))
        return ms_fail(err, MS_INVALID_ARGUMENT, "file name '%s' is not allowed in a model",
                       ms_escape(shown, sizeof shown, location, strlen(location)));
    for (int i = 0; i < b->n; i++) {
        const char *path = b->entry[i].path;
        if ((strncmp(path, b->entry[0].path, folder) == 0 &&
             strcmp(path + folder, location) == 0) ||
            strcmp(path, location) == 0) {
            *out = ms_bytes(b->entry[i].map.data, b->entry[i].map.len);
            return MS_OK;
        }
    }
    return ms_fail(err, MS_INVALID_ARGUMENT, "the model refers to '%s', which was not pushed",
                   ms_escape(shown, sizeof shown, location, strlen(location)));
}

static ms_code map_one(int dir, const struct ms_version_file *f, bool pushing, struct entry *e,
                       struct ms_err *err)
{
    char path[MS_BLOB_PATH];

    e->path = ms_strdup(f->path);
    if (!e->path)
        return ms_fail_oom(err, "bundle", 0);
    ms_blob_path(path, f->hex);
    if (pushing && faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        snprintf(path, sizeof path, "tmp/%s", f->hex);
    MS_TRY(ms_map_file(dir, path, true, &e->map, err));
    if (e->map.len != (uint64_t)f->size)
        return ms_fail(err, MS_DATA_LOSS, "store: blob %.12s has %zu bytes, should have %lld",
                       f->hex, e->map.len, (long long)f->size);
    return MS_OK;
}

ms_code ms_bundle_open(int dir, const struct ms_version *v, bool pushing, struct ms_bundle **out,
                       struct ms_source *src, struct ms_err *err)
{
    size_t bytes;

    if (v->n_files < 1 || !ms_mul((size_t)v->n_files, sizeof(struct entry), &bytes) ||
        !ms_add(bytes, sizeof(struct ms_bundle), &bytes))
        return ms_fail(err, MS_INVALID_ARGUMENT, "a version without files");
    struct ms_bundle *b = ms_calloc(1, bytes);
    if (!b)
        return ms_fail_oom(err, "bundle", bytes);
    for (; b->n < v->n_files; b->n++) {
        ms_code code = map_one(dir, &v->files[b->n], pushing, &b->entry[b->n], err);
        if (code != MS_OK) {
            b->n++;
            ms_bundle_release(b);
            return code;
        }
    }
    *src = (struct ms_source){.main = ms_bytes(b->entry[0].map.data, b->entry[0].map.len),
                              .open = open_location,
                              .arg = b};
    *out = b;
    return MS_OK;
}
