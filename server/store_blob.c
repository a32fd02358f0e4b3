/* SPDX-License-Identifier: Apache-2.0 */
/* store_blob.c - the folder of whole blobs: finding, verifying, setting aside, removing. How they
 * come to be is in store_push.c. */
#include "server/store_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

#define BLOBS "blobs/sha256"
enum { VERIFY_CHUNK = 1 << 20 };

ms_code ms_vfs_fail(struct ms_err *err, int rc, const char *what)
{
    ms_code code = rc == -ENOSPC || rc == -EDQUOT || rc == -ENOMEM || rc == -EMFILE
                       ? MS_RESOURCE_EXHAUSTED
                       : MS_UNAVAILABLE;

    return ms_fail(err, code, "store: %s: %s", what, strerror(-rc));
}

int ms_vfs_sync_dir(const struct ms_vfs *v, int dirfd, const char *path)
{
    int fd = v->open(v, dirfd, path, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return fd;
    int rc = v->fsync(v, fd);
    int closed = v->close(v, fd);
    return rc < 0 ? rc : closed;
}

void ms_blob_path(char path[MS_BLOB_PATH], const char *hex)
{
    snprintf(path, MS_BLOB_PATH, BLOBS "/%.2s/%s", hex, hex);
}

/* A folder that is there afterwards, also after a power cut. */
int ms_vfs_make_dir(const struct ms_vfs *v, int dirfd, const char *path, const char *parent)
{
    int rc = v->mkdir(v, dirfd, path, 0700);

    /* Synced even if it was there: whoever made it may have failed to. */
    return rc < 0 && rc != -EEXIST ? rc : ms_vfs_sync_dir(v, dirfd, parent);
}

/* ---- what is there ---- */

static int64_t file_stat(const struct ms_blobs *b, const char *path, int64_t *mtime)
{
    int fd = b->vfs->open(b->vfs, b->dir, path, O_RDONLY, 0);

    if (fd < 0)
        return fd;
    int64_t size = b->vfs->size(b->vfs, fd);
    if (mtime)
        *mtime = b->vfs->mtime(b->vfs, fd);
    int rc = b->vfs->close(b->vfs, fd);
    return rc < 0 ? rc : size;
}

int64_t ms_blobs_size(struct ms_blobs *b, const char *hex)
{
    char path[MS_BLOB_PATH];

    ms_blob_path(path, hex);
    return file_stat(b, path, NULL);
}

bool ms_blobs_has(struct ms_blobs *b, const char *hex, int64_t size)
{
    return ms_blobs_size(b, hex) == size;
}

struct walk {
    struct ms_blobs *b;
    ms_code (*each)(void *arg, const char *hex, int64_t size, int64_t mtime, struct ms_err *err);
    void *arg;
    struct ms_err *err;
    ms_code code;
};

static int walk_file(void *arg, const char *name)
{
    struct walk *w = arg;
    char path[MS_BLOB_PATH];
    int64_t mtime = 0;

    if (!ms_sha256_hex_valid(name, strlen(name)))
        return 0;
    ms_blob_path(path, name);
    int64_t size = file_stat(w->b, path, &mtime);
    if (size == -ENOENT)
        return 0;
    if (size < 0)
        size = -1; /* unreadable: the caller sees a size that nobody asked for */
    w->code = w->each(w->arg, name, size, mtime, w->err);
    return w->code == MS_OK ? 0 : 1;
}

static int walk_folder(void *arg, const char *name)
{
    struct walk *w = arg;
    char path[MS_BLOB_PATH];

    if (strlen(name) != 2 || strspn(name, "0123456789abcdef") != 2)
        return 0;
    snprintf(path, sizeof path, BLOBS "/%s", name);
    int rc = w->b->vfs->list(w->b->vfs, w->b->dir, path, walk_file, w);
    if (rc < 0)
        w->code = ms_vfs_fail(w->err, rc, "listing blobs");
    return w->code == MS_OK ? 0 : 1;
}

ms_code ms_blobs_each(struct ms_blobs *b,
                      ms_code (*each)(void *arg, const char *hex, int64_t size, int64_t mtime,
                                      struct ms_err *err),
                      void *arg, struct ms_err *err)
{
    struct walk w = {b, each, arg, err, MS_OK};
    int rc = b->vfs->list(b->vfs, b->dir, BLOBS, walk_folder, &w);

    if (rc < 0)
        return ms_vfs_fail(err, rc, "listing blobs");
    return w.code;
}

static ms_code add_used(void *arg, const char *hex, int64_t size, int64_t mtime, struct ms_err *err)
{
    struct ms_blobs *b = arg;

    (void)hex;
    (void)mtime;
    (void)err;
    if (size > 0)
        b->used += size;
    return MS_OK;
}

static int remove_tmp(void *arg, const char *name)
{
    struct ms_blobs *b = arg;
    char path[300];

    snprintf(path, sizeof path, "tmp/%s", name);
    int rc = b->vfs->unlink(b->vfs, b->dir, path);
    return rc == -ENOENT ? 0 : rc;
}

ms_code ms_blobs_open(struct ms_blobs *b, struct ms_err *err)
{
    static const struct {
        const char *path, *parent;
    } dirs[] = {{"tmp", "."}, {"quarantine", "."}, {"blobs", "."}, {BLOBS, "blobs"}};

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        int rc = ms_vfs_make_dir(b->vfs, b->dir, dirs[i].path, dirs[i].parent);
        if (rc < 0)
            return ms_vfs_fail(err, rc, dirs[i].path);
    }
    int rc = b->vfs->list(b->vfs, b->dir, "tmp", remove_tmp, b);
    if (rc < 0)
        return ms_vfs_fail(err, rc, "emptying tmp");
    b->used = 0;
    return ms_blobs_each(b, add_used, b, err);
}

/* ---- care ---- */

static ms_code hash_file(const struct ms_vfs *v, int fd, int64_t size, struct ms_sha256 *sha,
                         uint8_t *buf, const atomic_bool *cancel, struct ms_err *err)
{
    for (int64_t at = 0; at < size;) {
        size_t want = size - at < VERIFY_CHUNK ? (size_t)(size - at) : VERIFY_CHUNK;
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return ms_fail(err, MS_CANCELLED, "cancelled while verifying");
        int rc = ms_vfs_read_all(v, fd, buf, want, (off_t)at);
        if (rc < 0)
            return ms_fail(err, MS_DATA_LOSS, "store: reading a blob: %s", strerror(-rc));
        if (!ms_sha256_add(sha, buf, want))
            return ms_fail_oom(err, "digest", 0);
        at += (int64_t)want;
    }
    return MS_OK;
}

static ms_code verify_open(const struct ms_vfs *v, int fd, const char *hex, int64_t size,
                           const atomic_bool *cancel, struct ms_err *err)
{
    uint8_t digest[MS_SHA256_LEN];
    char got[MS_SHA256_HEX] = "";
    int64_t have = v->size(v, fd);

    if (have != size)
        return ms_fail(err, MS_DATA_LOSS, "store: blob %.12s has %lld bytes, should have %lld", hex,
                       (long long)have, (long long)size);
    struct ms_sha256 *sha = ms_sha256_new();
    uint8_t *buf = ms_malloc(VERIFY_CHUNK);
    ms_code code = sha && buf ? hash_file(v, fd, size, sha, buf, cancel, err)
                              : ms_fail_oom(err, "verify", VERIFY_CHUNK);
    if (code == MS_OK) {
        if (ms_sha256_get(sha, digest))
            ms_hex(got, digest, sizeof digest);
        if (strcmp(got, hex) != 0)
            code = ms_fail(err, MS_DATA_LOSS, "store: blob %.12s is damaged (its sha256 is %.12s)",
                           hex, got);
    }
    ms_free(buf);
    ms_sha256_free(sha);
    return code;
}

ms_code ms_blob_verify(const struct ms_vfs *v, int dir, const char *hex, int64_t size,
                       const atomic_bool *cancel, struct ms_err *err)
{
    char path[MS_BLOB_PATH];

    ms_blob_path(path, hex);
    int fd = v->open(v, dir, path, O_RDONLY, 0);
    if (fd < 0)
        return ms_fail(err, MS_DATA_LOSS, "store: blob %.12s: %s", hex, strerror(-fd));
    ms_code code = verify_open(v, fd, hex, size, cancel, err);
    (void)v->close(v, fd);
    return code;
}

void ms_blobs_quarantine(struct ms_blobs *b, const char *hex)
{
    char from[MS_BLOB_PATH], to[MS_BLOB_PATH];

    ms_blob_path(from, hex);
    snprintf(to, sizeof to, "quarantine/%s", hex);
    int64_t size = file_stat(b, from, NULL);
    if (b->vfs->rename(b->vfs, b->dir, from, to) == 0 && size > 0)
        b->used -= size;
}

ms_code ms_blobs_remove(struct ms_blobs *b, const char *hex, int64_t size, struct ms_err *err)
{
    char path[MS_BLOB_PATH];

    ms_blob_path(path, hex);
    int rc = b->vfs->unlink(b->vfs, b->dir, path);
    if (rc == -ENOENT)
        return MS_OK;
    if (rc < 0)
        return ms_vfs_fail(err, rc, "removing a blob");
    if (size > 0)
        b->used -= size;
    return MS_OK;
}

void ms_blobs_pin(struct ms_blobs *b, struct ms_blob_pin *p, const char *hex)
{
    snprintf(p->hex, sizeof p->hex, "%s", hex);
    p->prev = NULL;
    p->next = b->pins;
    if (b->pins)
        b->pins->prev = p;
    b->pins = p;
}

void ms_blobs_unpin(struct ms_blobs *b, struct ms_blob_pin *p)
{
    if (!*p->hex)
        return;
    if (p->prev)
        p->prev->next = p->next;
    else
        b->pins = p->next;
    if (p->next)
        p->next->prev = p->prev;
    *p->hex = '\0';
}

bool ms_blobs_pinned(const struct ms_blobs *b, const char *hex)
{
    for (const struct ms_blob_pin *p = b->pins; p; p = p->next)
        if (strcmp(p->hex, hex) == 0)
            return true;
    return false;
}
