/* SPDX-License-Identifier: Apache-2.0 */
/* store_push.c - publishing files so that they are there whole, or not at all.
 *
 *   open(O_EXCL) -> fallocate -> write while hashing -> compare -> fsync -> close -> rename
 *     -> fsync of the folder (and of its parent, when the folder is new)
 *
 * A failed fsync is never tried again: the kernel may have dropped the pages and the next one would
 * lie. The file goes and the push fails. A failed close before the rename counts as one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "server/store_blob.h"

#define BLOBS "blobs/sha256"
enum { WRITE_OUT = 1 << 20 };

static void tmp_path(char path[MS_BLOB_PATH], const char *name)
{
    snprintf(path, MS_BLOB_PATH, "tmp/%s", name);
}

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

/* A file that is written out as it arrives leaves its fsync nothing to do. Half a gigabyte at once
 * would keep the disk's kernel threads, which nobody displaces, busy for half a second. */
static void write_out(struct ms_blobs *b, struct ms_push *p)
{
    if (p->have - p->begun < WRITE_OUT)
        return;
    (void)b->vfs->begin_sync(b->vfs, p->fd, (off_t)p->begun, (off_t)(p->have - p->begun));
    p->begun = p->have;
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
    write_out(b, p);
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
    int64_t old = ms_blobs_size(b, p->hex);
    int rc = ms_vfs_make_dir(b->vfs, b->dir, dir, BLOBS);
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
