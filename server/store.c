/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - opening, recovering and tidying the state folder.
 *
 * Recovery has little to do, since publishing leaves nothing half done: tmp/ is emptied, blobs are
 * whole or absent, and SQLite replays its own log. What rots afterwards is found when it is read.
 */
#include "server/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { QUARANTINE_AGE = 7 * 86400 };

void ms_store_opts_init(struct ms_store_opts *o, const char *path)
{
    *o = (struct ms_store_opts){
        .path = path,
        .reserve = INT64_C(256) << 20,
        .push_keep = 3600,
        .push_idle = 60 * MS_SEC,
        .gc_age = 3600,
        .gc_interval = 600 * MS_SEC,
        .max_pushes = 8,
        .keep_versions = 2,
        .max_files = 4096,
    };
}

int64_t ms_store_time(void)
{
    return ms_wall() / MS_SEC;
}

/* ---- opening ---- */

static ms_code open_folder(struct ms_store *st, struct ms_err *err)
{
    if (mkdir(st->path, 0700) < 0 && errno != EEXIST)
        return ms_fail(err, MS_UNAVAILABLE, "state folder %s: %s", st->path, strerror(errno));
    st->dir = open(st->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (st->dir < 0)
        return ms_fail(err, MS_UNAVAILABLE, "state folder %s: %s", st->path, strerror(errno));
    return MS_OK;
}

static ms_code take_lock(struct ms_store *st, struct ms_err *err)
{
    st->lock = st->vfs->open(st->vfs, st->dir, "LOCK", O_RDWR | O_CREAT, 0600);
    if (st->lock < 0)
        return ms_fail(err, MS_UNAVAILABLE, "state folder %s: LOCK: %s", st->path,
                       strerror(-st->lock));
    if (flock(st->lock, LOCK_EX | LOCK_NB) < 0)
        return ms_fail(err, MS_UNAVAILABLE, "state folder %s: %s", st->path,
                       errno == EWOULDBLOCK ? "another mindserved is using it" : strerror(errno));
    return MS_OK;
}

static int write_format(struct ms_store *st)
{
    static const char text[] = "1\n";
    const struct ms_vfs *v = st->vfs;
    int fd = v->open(v, st->dir, "tmp/FORMAT", O_WRONLY | O_CREAT | O_EXCL, 0600);

    if (fd < 0)
        return fd;
    int rc = ms_vfs_write_all(v, fd, text, sizeof text - 1, 0);
    if (rc == 0)
        rc = v->fsync(v, fd);
    int closed = v->close(v, fd);
    if (rc == 0)
        rc = closed;
    if (rc == 0)
        rc = v->rename(v, st->dir, "tmp/FORMAT", "FORMAT");
    return rc == 0 ? ms_vfs_sync_dir(v, st->dir, ".") : rc;
}

/* Writes FORMAT into a new folder; refuses one of another layout. */
static ms_code check_format(struct ms_store *st, struct ms_err *err)
{
    char text[16] = "";
    int fd = st->vfs->open(st->vfs, st->dir, "FORMAT", O_RDONLY, 0);

    if (fd == -ENOENT) {
        int rc = write_format(st);
        return rc < 0 ? ms_vfs_fail(err, rc, "writing FORMAT") : MS_OK;
    }
    if (fd < 0)
        return ms_vfs_fail(err, fd, "reading FORMAT");
    ssize_t n = st->vfs->pread(st->vfs, fd, text, sizeof text - 1, 0);
    (void)st->vfs->close(st->vfs, fd);
    if (n < 0)
        return ms_vfs_fail(err, (int)n, "reading FORMAT");
    if (strcmp(text, "1\n") != 0)
        return ms_fail(err, MS_FAILED_PRECONDITION,
                       "state folder %s: FORMAT is not 1: written by another version", st->path);
    return MS_OK;
}

static ms_code open_all(struct ms_store *st, struct ms_err *err)
{
    MS_TRY(open_folder(st, err));
    MS_TRY(take_lock(st, err));
    st->blobs.dir = st->dir;
    MS_TRY(ms_blobs_open(&st->blobs, err));
    MS_TRY(check_format(st, err));
    MS_TRY(ms_db_open(st->path, &st->db, err));
    int rc = ms_vfs_sync_dir(st->vfs, st->dir, "."); /* the database's name */
    if (rc < 0)
        return ms_vfs_fail(err, rc, "syncing the state folder");
    ms_store_note(st);
    return MS_OK;
}

ms_code ms_store_open(const struct ms_store_opts *o, struct ms_store **out, struct ms_err *err)
{
    struct ms_store *st = ms_calloc(1, sizeof *st);

    if (!st)
        return ms_fail_oom(err, "store", sizeof *st);
    st->opts = *o;
    st->vfs = o->vfs ? o->vfs : ms_vfs_posix();
    st->dir = st->lock = -1;
    st->path = ms_strdup(o->path);
    st->opts.path = st->path;
    st->blobs = (struct ms_blobs){
        .vfs = st->vfs, .quota = o->quota, .reserve = o->reserve, .max_pushes = o->max_pushes};
    ms_code code = st->path ? open_all(st, err) : ms_fail_oom(err, "store", 0);
    if (code != MS_OK) {
        ms_store_close(st);
        return code;
    }
    *out = st;
    return MS_OK;
}

void ms_store_close(struct ms_store *st)
{
    if (!st)
        return;
    ms_blobs_close(&st->blobs);
    ms_db_close(st->db);
    if (st->lock >= 0)
        (void)st->vfs->close(st->vfs, st->lock);
    if (st->dir >= 0)
        close(st->dir);
    ms_free(st->path);
    ms_free(st);
}

ms_code ms_store_writable(struct ms_store *st, struct ms_err *err)
{
    if (atomic_load(&st->read_only))
        return ms_fail(err, MS_UNAVAILABLE,
                       "store: read-only after a failure of the disk; what is served goes on");
    return MS_OK;
}

void ms_store_note(struct ms_store *st)
{
    if (ms_db_broken(st->db))
        atomic_store(&st->read_only, true);
}

/* ---- collection ---- */

struct gc {
    struct ms_store *st;
    int64_t now, min_age, bytes;
    int removed;
};

static ms_code collect(void *arg, const char *hex, int64_t size, int64_t mtime, struct ms_err *err)
{
    struct gc *g = arg;

    if (mtime < 0 || g->now - mtime < g->min_age || ms_blobs_pinned(&g->st->blobs, hex) ||
        ms_db_refers(g->st->db, hex))
        return MS_OK;
    MS_TRY(ms_blobs_remove(&g->st->blobs, hex, size, err));
    g->removed++;
    g->bytes += size > 0 ? size : 0;
    return MS_OK;
}

static int collect_quarantined(void *arg, const char *name)
{
    struct gc *g = arg;
    const struct ms_vfs *v = g->st->vfs;
    char path[MS_BLOB_PATH];

    if (!ms_sha256_hex_valid(name, strlen(name)))
        return 0;
    snprintf(path, sizeof path, "quarantine/%s", name);
    int fd = v->open(v, g->st->dir, path, O_RDONLY, 0);
    if (fd < 0)
        return 0;
    int64_t mtime = v->mtime(v, fd);
    (void)v->close(v, fd);
    if (mtime >= 0 && g->now - mtime >= QUARANTINE_AGE)
        (void)v->unlink(v, g->st->dir, path);
    return 0;
}

ms_code ms_store_gc(struct ms_store *st, int64_t min_age, int *removed, int64_t *bytes,
                    struct ms_err *err)
{
    struct gc g = {.st = st, .now = ms_store_time(), .min_age = min_age};

    *removed = 0;
    *bytes = 0;
    MS_TRY(ms_store_writable(st, err));
    ms_code code = ms_blobs_each(&st->blobs, collect, &g, err);
    (void)st->vfs->list(st->vfs, st->dir, "quarantine", collect_quarantined, &g);
    *removed = g.removed;
    *bytes = g.bytes;
    return code;
}
