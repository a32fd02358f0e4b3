/* SPDX-License-Identifier: Apache-2.0 */
/* store_blob.c - publishing files so that they are there whole, or not at all.
 *
 *   open(O_EXCL) -> fallocate -> write while hashing -> compare -> fsync -> close -> rename
 *     -> fsync of the folder (and of its parent, when the folder is new)
 *
 * A failed fsync is never tried again: the kernel may have dropped the pages and the next one would
 * lie. The file goes and the push fails. A failed close before the rename counts as one. */
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

static void tmp_path(char path[MS_BLOB_PATH], const char *name)
{
    snprintf(path, MS_BLOB_PATH, "tmp/%s", name);
}

/* A folder that is there afterwards, also after a power cut. */
static int make_dir(const struct ms_vfs *v, int dirfd, const char *path, const char *parent)
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
        int rc = make_dir(b->vfs, b->dir, dirs[i].path, dirs[i].parent);
        if (rc < 0)
            return ms_vfs_fail(err, rc, dirs[i].path);
    }
    int rc = b->vfs->list(b->vfs, b->dir, "tmp", remove_tmp, b);
    if (rc < 0)
        return ms_vfs_fail(err, rc, "emptying tmp");
    b->used = 0;
    return ms_blobs_each(b, add_used, b, err);
}

/* ---- pushes ---- */

struct ms_push *ms_push_find(struct ms_blobs *b, const char *hex)
{
    for (struct ms_push *p = b->pushes; p; p = p->next)
        if (strcmp(p->hex, hex) == 0)
            return p;
    return NULL;
}

/* Takes a push out of the list and frees it; its file in tmp/ is removed unless it was renamed. */
static void end_push(struct ms_blobs *b, struct ms_push *p, bool remove)
{
    char path[MS_BLOB_PATH];

    for (struct ms_push **at = &b->pushes; *at; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    if (p->fd >= 0)
        (void)b->vfs->close(b->vfs, p->fd);
    if (remove) {
        tmp_path(path, p->tmp);
        (void)b->vfs->unlink(b->vfs, b->dir, path);
    }
    b->pending -= p->size;
    ms_sha256_free(p->sha);
    ms_free(p);
}

void ms_blobs_close(struct ms_blobs *b)
{
    while (b->pushes)
        end_push(b, b->pushes, true);
}

ms_code ms_blobs_room(struct ms_blobs *b, int64_t size, struct ms_err *err)
{
    int64_t want;

    if (b->quota > 0 &&
        (__builtin_add_overflow(b->used + b->pending, size, &want) || want > b->quota))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED,
                       "store: %lld bytes do not fit into the quota of %lld (%lld are taken)",
                       (long long)size, (long long)b->quota, (long long)(b->used + b->pending));
    int64_t avail = b->vfs->free_bytes(b->vfs, b->dir);
    if (avail < 0)
        return ms_vfs_fail(err, (int)avail, "asking for free space");
    if (avail < b->reserve || avail - b->reserve < size)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED,
                       "store: %lld bytes do not fit on the disk (%lld are free, %lld stay "
                       "reserved)",
                       (long long)size, (long long)avail, (long long)b->reserve);
    return MS_OK;
}

static ms_code check_open(const struct ms_blobs *b, struct ms_err *err)
{
    int busy = 0;

    /* Whole files of a dry run wait for its end without a stream of their own. */
    for (const struct ms_push *p = b->pushes; p; p = p->next)
        busy += p->busy && p->have < p->size;
    if (busy >= b->max_pushes)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "store: %d pushes are open already", busy);
    return MS_OK;
}

/* Left pushes make room when a new one needs it, oldest first. */
static bool drop_oldest_left(struct ms_blobs *b)
{
    struct ms_push *oldest = NULL;

    for (struct ms_push *p = b->pushes; p; p = p->next)
        if (!p->busy && (!oldest || p->touched < oldest->touched))
            oldest = p;
    if (!oldest)
        return false;
    end_push(b, oldest, true);
    return true;
}

static ms_code create_file(struct ms_blobs *b, struct ms_push *p, struct ms_err *err)
{
    char path[MS_BLOB_PATH];

    tmp_path(path, p->tmp);
    p->fd = b->vfs->open(b->vfs, b->dir, path, O_WRONLY | O_CREAT | O_EXCL, 0400);
    if (p->fd < 0)
        return ms_vfs_fail(err, p->fd, "opening a push");
    /* Not every file system can set space aside; a full one must say so now. */
    int rc = b->vfs->allocate(b->vfs, p->fd, (off_t)p->size);
    if (rc < 0 && rc != -EOPNOTSUPP && rc != -EINVAL && rc != -ENOSYS)
        return ms_vfs_fail(err, rc, "setting space aside");
    return MS_OK;
}

static ms_code new_push(struct ms_blobs *b, const char *hex, const char *tmp, int64_t size,
                        struct ms_push **out, struct ms_err *err)
{
    ms_code code;

    MS_TRY(check_open(b, err));
    while ((code = ms_blobs_room(b, size, err)) == MS_RESOURCE_EXHAUSTED && drop_oldest_left(b))
        ;
    if (code != MS_OK)
        return code;
    struct ms_push *p = ms_calloc(1, sizeof *p);
    if (!p)
        return ms_fail_oom(err, "push", sizeof *p);
    snprintf(p->hex, sizeof p->hex, "%s", hex);
    snprintf(p->tmp, sizeof p->tmp, "%s", tmp);
    p->size = size;
    p->fd = -1;
    p->sha = ms_sha256_new();
    p->next = b->pushes;
    b->pushes = p;
    b->pending += size;
    code = p->sha ? create_file(b, p, err) : ms_fail_oom(err, "digest", 0);
    if (code != MS_OK) {
        end_push(b, p, p->fd >= 0);
        return code;
    }
    *out = p;
    return MS_OK;
}

ms_code ms_push_open(struct ms_blobs *b, const char *hex, int64_t size, int64_t now,
                     struct ms_push **out, struct ms_err *err)
{
    struct ms_push *p = ms_push_find(b, hex);

    if (p && p->busy)
        return ms_fail(err, MS_ABORTED, "store: another push of %s is under way", hex);
    if (p && p->size != size) {
        end_push(b, p, true);
        p = NULL;
    }
    if (!p)
        MS_TRY(new_push(b, hex, hex, size, &p, err));
    p->busy = true;
    p->touched = now;
    *out = p;
    return MS_OK;
}

ms_code ms_push_open_unnamed(struct ms_blobs *b, int64_t size, int64_t now, struct ms_push **out,
                             struct ms_err *err)
{
    char tmp[32];

    snprintf(tmp, sizeof tmp, "unnamed-%u", b->unnamed++);
    MS_TRY(new_push(b, "", tmp, size, out, err));
    (*out)->busy = true;
    (*out)->touched = now;
    return MS_OK;
}

ms_code ms_push_write(struct ms_blobs *b, struct ms_push *p, int64_t offset, const void *data,
                      size_t len, int64_t now, struct ms_err *err)
{
    if (offset != p->have)
        return ms_fail(err, MS_INVALID_ARGUMENT, "chunk at offset %lld, expected %lld",
                       (long long)offset, (long long)p->have);
    if (len > (uint64_t)(p->size - p->have))
        return ms_fail(err, MS_INVALID_ARGUMENT, "more bytes than the announced %lld",
                       (long long)p->size);
    int rc = ms_vfs_write_all(b->vfs, p->fd, data, len, (off_t)p->have);
    if (rc < 0)
        return ms_vfs_fail(err, rc, "writing a push");
    if (!ms_sha256_add(p->sha, data, len))
        return ms_fail_oom(err, "digest", 0);
    p->have += (int64_t)len;
    p->touched = now;
    return MS_OK;
}

/* The rename and what makes it last. A blob whose folder could not be synced is taken back: nobody
 * may build on it. */
static ms_code publish(struct ms_blobs *b, struct ms_push *p, struct ms_err *err)
{
    char from[MS_BLOB_PATH], to[MS_BLOB_PATH], dir[MS_BLOB_PATH];

    tmp_path(from, p->tmp);
    ms_blob_path(to, p->hex);
    snprintf(dir, sizeof dir, BLOBS "/%.2s", p->hex);
    int64_t old = file_stat(b, to, NULL);
    int rc = make_dir(b->vfs, b->dir, dir, BLOBS);
    if (rc < 0)
        return ms_vfs_fail(err, rc, "making a folder");
    rc = b->vfs->rename(b->vfs, b->dir, from, to);
    if (rc < 0)
        return ms_vfs_fail(err, rc, "publishing a blob");
    rc = ms_vfs_sync_dir(b->vfs, b->dir, dir);
    if (rc < 0) {
        (void)b->vfs->unlink(b->vfs, b->dir, to);
        return ms_vfs_fail(err, rc, "syncing a folder");
    }
    b->used += p->size - (old > 0 ? old : 0);
    return MS_OK;
}

static ms_code seal(struct ms_blobs *b, struct ms_push *p, struct ms_err *err)
{
    uint8_t digest[MS_SHA256_LEN];
    char hex[MS_SHA256_HEX];

    if (!ms_sha256_get(p->sha, digest))
        return ms_fail_oom(err, "digest", 0);
    ms_hex(hex, digest, sizeof digest);
    if (!*p->hex)
        memcpy(p->hex, hex, sizeof hex);
    if (strcmp(hex, p->hex) != 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "the bytes have sha256 %s, announced was %s", hex,
                       p->hex);
    int rc = b->vfs->fsync(b->vfs, p->fd);
    if (rc < 0)
        return ms_vfs_fail(err, rc, "syncing a push");
    rc = b->vfs->close(b->vfs, p->fd);
    p->fd = -1;
    if (rc < 0)
        return ms_vfs_fail(err, rc, "closing a push");
    return publish(b, p, err);
}

ms_code ms_push_finish(struct ms_blobs *b, struct ms_push *p, char hex[MS_SHA256_HEX],
                       struct ms_err *err)
{
    ms_code code;

    if (p->have != p->size)
        code = ms_fail(err, MS_INVALID_ARGUMENT, "%lld bytes of %lld arrived", (long long)p->have,
                       (long long)p->size);
    else
        code = seal(b, p, err);
    if (hex)
        memcpy(hex, p->hex, sizeof p->hex);
    end_push(b, p, code != MS_OK);
    return code;
}

void ms_push_leave(struct ms_blobs *b, struct ms_push *p, int64_t now)
{
    p->busy = false;
    p->touched = now;
    if (!*p->hex)
        end_push(b, p, true);
}

void ms_push_drop(struct ms_blobs *b, struct ms_push *p)
{
    end_push(b, p, true);
}

void ms_push_expire(struct ms_blobs *b, int64_t now, int64_t keep)
{
    struct ms_push *next;

    for (struct ms_push *p = b->pushes; p; p = next) {
        next = p->next;
        if (!p->busy && now - p->touched >= keep)
            end_push(b, p, true);
    }
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
