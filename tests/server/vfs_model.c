/* SPDX-License-Identifier: Apache-2.0 */
/* vfs_model.c - see the header. */
#include "tests/server/vfs_model.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct vm_inode {
    bool folder;
    uint8_t *cur, *dur;
    size_t cur_len, dur_len;
};

struct vm_entry {
    char path[128];
    int inode;
};

static const struct ms_vfs *real(void)
{
    return ms_vfs_posix();
}

/* ---- the model ---- */

static struct vm_entry *find(struct vm_entry *e, int n, const char *path)
{
    for (int i = 0; i < n; i++)
        if (strcmp(e[i].path, path) == 0)
            return &e[i];
    return NULL;
}

static void put(struct vm_entry **e, int *n, int *cap, const char *path, int inode)
{
    struct vm_entry *there = find(*e, *n, path);

    if (there) {
        there->inode = inode;
        return;
    }
    if (*n == *cap) {
        *cap = *cap ? 2 * *cap : 64;
        *e = realloc(*e, (size_t)*cap * sizeof **e);
        ck_assert_ptr_nonnull(*e);
    }
    snprintf((*e)[*n].path, sizeof(*e)[*n].path, "%s", path);
    (*e)[(*n)++].inode = inode;
}

static void drop(struct vm_entry *e, int *n, const char *path)
{
    struct vm_entry *there = find(e, *n, path);

    if (there)
        *there = e[--*n];
}

static int new_inode(struct vm *m, bool folder)
{
    if (m->n_inodes == m->cap_inodes) {
        m->cap_inodes = m->cap_inodes ? 2 * m->cap_inodes : 64;
        m->inode = realloc(m->inode, (size_t)m->cap_inodes * sizeof *m->inode);
        ck_assert_ptr_nonnull(m->inode);
    }
    m->inode[m->n_inodes] = (struct vm_inode){.folder = folder};
    return m->n_inodes++;
}

static void parent_of(const char *path, char parent[128])
{
    const char *slash = strrchr(path, '/');

    snprintf(parent, 128, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* fsync of a folder: what its entries are now is what they are after a crash. */
static void sync_folder(struct vm *m, const char *folder)
{
    char parent[128];

    for (int i = 0; i < m->n_durable;) {
        parent_of(m->durable[i].path, parent);
        if (strcmp(parent, folder) == 0 && !find(m->now, m->n_now, m->durable[i].path))
            m->durable[i] = m->durable[--m->n_durable];
        else
            i++;
    }
    for (int i = 0; i < m->n_now; i++) {
        parent_of(m->now[i].path, parent);
        if (strcmp(parent, folder) == 0)
            put(&m->durable, &m->n_durable, &m->cap_durable, m->now[i].path, m->now[i].inode);
    }
}

static void sync_file(struct vm_inode *f)
{
    f->dur = realloc(f->dur, f->cur_len + 1);
    ck_assert_ptr_nonnull(f->dur);
    if (f->cur_len)
        memcpy(f->dur, f->cur, f->cur_len);
    f->dur_len = f->cur_len;
}

static void resize(struct vm_inode *f, size_t len)
{
    if (len <= f->cur_len)
        return;
    f->cur = realloc(f->cur, len);
    ck_assert_ptr_nonnull(f->cur);
    memset(f->cur + f->cur_len, 0, len - f->cur_len);
    f->cur_len = len;
}

/* ---- operations ---- */

/* Counts an operation that changes or syncs something; what it returns for it, or 0 to do it. */
static int gate(struct vm *m)
{
    m->ops++;
    if (m->crash_at && m->ops == m->crash_at && !m->crashed) {
        m->crashed = true;
        if (m->on_crash)
            m->on_crash(m);
    }
    if (m->crashed)
        return -EIO;
    if (m->fail_at && (m->ops == m->fail_at || (m->fail_all && m->ops > m->fail_at)))
        return m->error ? -m->error : 1;
    return 0;
}

static struct vm *of(const struct ms_vfs *v)
{
    return v->arg;
}

static int vm_open(const struct ms_vfs *v, int dirfd, const char *path, int flags, mode_t mode)
{
    struct vm *m = of(v);
    struct vm_entry *e;
    int rc = flags & O_CREAT ? gate(m) : m->crashed ? -EIO : 0;

    if (rc < 0)
        return rc;
    int fd = real()->open(real(), dirfd, path, flags, mode);
    if (fd < 0)
        return fd;
    ck_assert_int_lt(fd, 1024);
    e = find(m->now, m->n_now, path);
    if (!e && strcmp(path, ".") != 0) {
        put(&m->now, &m->n_now, &m->cap_now, path, new_inode(m, (flags & O_DIRECTORY) != 0));
        e = find(m->now, m->n_now, path);
    }
    m->fd_inode[fd] = e ? e->inode + 1 : 0;
    snprintf(m->fd_path[fd], sizeof m->fd_path[fd], "%s", path);
    return fd;
}

static int vm_close(const struct ms_vfs *v, int fd)
{
    struct vm *m = of(v);
    int rc = m->crashed ? -EIO : 0;

    m->fd_inode[fd] = 0;
    int closed = real()->close(real(), fd);
    return rc < 0 ? rc : closed;
}

static ssize_t vm_pread(const struct ms_vfs *v, int fd, void *buf, size_t len, off_t at)
{
    return of(v)->crashed ? -EIO : real()->pread(real(), fd, buf, len, at);
}

static ssize_t vm_pwrite(const struct ms_vfs *v, int fd, const void *buf, size_t len, off_t at)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    if (rc > 0 && len > 1)
        len /= 2; /* a short write: legal, the caller goes on */
    ssize_t n = real()->pwrite(real(), fd, buf, len, at);
    if (n > 0 && m->fd_inode[fd]) {
        struct vm_inode *f = &m->inode[m->fd_inode[fd] - 1];
        resize(f, (size_t)at + (size_t)n);
        memcpy(f->cur + at, buf, (size_t)n);
    }
    return n;
}

static int vm_allocate(const struct ms_vfs *v, int fd, off_t size)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    rc = real()->allocate(real(), fd, size);
    if (rc == 0 && m->fd_inode[fd])
        resize(&m->inode[m->fd_inode[fd] - 1], (size_t)size);
    return rc;
}

static int vm_truncate(const struct ms_vfs *v, int fd, off_t size)
{
    int rc = gate(of(v));

    return rc < 0 ? rc : real()->truncate(real(), fd, size);
}

static bool forgotten(const struct vm *m, int fd)
{
    const char *path = m->fd_path[fd];
    bool folder = m->fd_inode[fd] == 0 || m->inode[m->fd_inode[fd] - 1].folder;
    bool leaf = strncmp(path, "blobs/sha256/", 13) == 0;

    switch (m->mutant) {
    case VM_NO_FILE_SYNC:
        return !folder;
    case VM_NO_LEAF_SYNC:
        return folder && leaf;
    case VM_NO_PARENT_SYNC:
        return folder && strcmp(path, "blobs/sha256") == 0;
    case VM_NO_TOP_SYNC:
        return folder && (strcmp(path, ".") == 0 || strcmp(path, "blobs") == 0);
    default:
        return false;
    }
}

static int vm_fsync(const struct ms_vfs *v, int fd)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    if (forgotten(m, fd))
        return 0;
    if (m->fd_inode[fd] && !m->inode[m->fd_inode[fd] - 1].folder)
        sync_file(&m->inode[m->fd_inode[fd] - 1]);
    else
        sync_folder(m, m->fd_path[fd]);
    return 0; /* the real one would only cost time */
}

/* Promises nothing, so the model's files stay as unsynced as they were. */
static int vm_begin_sync(const struct ms_vfs *v, int fd, off_t at, off_t len)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    m->begun += len;
    return m->begin_fails ? -m->begin_fails : real()->begin_sync(real(), fd, at, len);
}

static int vm_rename(const struct ms_vfs *v, int dirfd, const char *from, const char *to)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    rc = real()->rename(real(), dirfd, from, to);
    struct vm_entry *e = find(m->now, m->n_now, from);
    if (rc == 0 && e) {
        int inode = e->inode;
        drop(m->now, &m->n_now, from);
        put(&m->now, &m->n_now, &m->cap_now, to, inode);
    }
    return rc;
}

static int vm_unlink(const struct ms_vfs *v, int dirfd, const char *path)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    rc = real()->unlink(real(), dirfd, path);
    if (rc == 0)
        drop(m->now, &m->n_now, path);
    return rc;
}

static int vm_mkdir(const struct ms_vfs *v, int dirfd, const char *path, mode_t mode)
{
    struct vm *m = of(v);
    int rc = gate(m);

    if (rc < 0)
        return rc;
    rc = real()->mkdir(real(), dirfd, path, mode);
    if (rc == 0)
        put(&m->now, &m->n_now, &m->cap_now, path, new_inode(m, true));
    return rc;
}

static int64_t vm_size(const struct ms_vfs *v, int fd)
{
    return of(v)->crashed ? -EIO : real()->size(real(), fd);
}

static int64_t vm_mtime(const struct ms_vfs *v, int fd)
{
    return of(v)->crashed ? -EIO : real()->mtime(real(), fd);
}

static int vm_list(const struct ms_vfs *v, int dirfd, const char *path,
                   int (*each)(void *arg, const char *name), void *arg)
{
    return of(v)->crashed ? -EIO : real()->list(real(), dirfd, path, each, arg);
}

static int64_t vm_free(const struct ms_vfs *v, int dirfd)
{
    return of(v)->crashed ? -EIO : real()->free_bytes(real(), dirfd);
}

void vm_init(struct vm *m, const char *root)
{
    *m = (struct vm){0};
    snprintf(m->root, sizeof m->root, "%s", root);
    m->vfs = (struct ms_vfs){.open = vm_open,
                             .close = vm_close,
                             .pread = vm_pread,
                             .pwrite = vm_pwrite,
                             .allocate = vm_allocate,
                             .truncate = vm_truncate,
                             .fsync = vm_fsync,
                             .begin_sync = vm_begin_sync,
                             .rename = vm_rename,
                             .unlink = vm_unlink,
                             .mkdir = vm_mkdir,
                             .size = vm_size,
                             .mtime = vm_mtime,
                             .list = vm_list,
                             .free_bytes = vm_free,
                             .arg = m};
}

void vm_done(struct vm *m)
{
    for (int i = 0; i < m->n_inodes; i++) {
        free(m->inode[i].cur);
        free(m->inode[i].dur);
    }
    free(m->inode);
    free(m->now);
    free(m->durable);
}

/* ---- after the power cut ---- */

static void write_file(const char *root, const char *path, const uint8_t *data, size_t len)
{
    char full[512];

    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    if (!f)
        return; /* its folder is gone: so is it */
    ck_assert_uint_eq(fwrite(data ? data : (const uint8_t *)"", 1, len, f), len);
    fclose(f);
}

static void place(const struct vm_inode *f, const char *to, const char *path, enum vm_data data)
{
    char full[512];

    if (f->folder) {
        snprintf(full, sizeof full, "%s/%s", to, path);
        mkdir(full, 0700);
        return;
    }
    if (f->dur && f->dur_len == f->cur_len &&
        (f->cur_len == 0 || memcmp(f->dur, f->cur, f->cur_len) == 0)) {
        write_file(to, path, f->dur, f->dur_len); /* nothing was pending */
    } else if (data == VM_DATA_KEPT) {
        write_file(to, path, f->cur, f->cur_len);
    } else if (data == VM_DATA_LOST) {
        write_file(to, path, f->dur, f->dur_len);
    } else {
        uint8_t *mixed = calloc(1, f->cur_len + 1);
        ck_assert_ptr_nonnull(mixed);
        if (data == VM_DATA_HALF && f->cur)
            memcpy(mixed, f->cur, f->cur_len / 2);
        write_file(to, path, mixed, f->cur_len);
        free(mixed);
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct vm_entry *)a)->path, ((const struct vm_entry *)b)->path);
}

void vm_materialise(const struct vm *m, const char *to, enum vm_data data, enum vm_names names)
{
    int n = 0;
    struct vm_entry *all = calloc((size_t)(m->n_now + m->n_durable) + 1, sizeof *all);

    ck_assert_ptr_nonnull(all);
    for (int i = 0; i < m->n_durable; i++)
        all[i] = m->durable[i];
    n = m->n_durable;
    int pending = 0;
    /* Names that are new since the last sync: none, all, or every other one has made it. */
    for (int i = 0; i < m->n_now; i++) {
        struct vm_entry *d = find(all, n, m->now[i].path);
        if (d && d->inode == m->now[i].inode)
            continue;
        pending++;
        if (names == VM_NAMES_LOST || (names == VM_NAMES_EVEN && pending % 2) ||
            (names == VM_NAMES_ODD && pending % 2 == 0))
            continue;
        if (d)
            d->inode = m->now[i].inode;
        else
            all[n++] = m->now[i];
    }
    /* Names that are gone since. */
    for (int i = 0; i < n && names != VM_NAMES_LOST;) {
        if (!find(m->now, m->n_now, all[i].path) && (names == VM_NAMES_KEPT || i % 2))
            all[i] = all[--n];
        else
            i++;
    }
    qsort(all, (size_t)n, sizeof *all, by_path); /* folders before what is in them */
    for (int i = 0; i < n; i++)
        place(&m->inode[all[i].inode], to, all[i].path, data);
    free(all);
}

/* ---- folders ---- */

void tmp_folder(char path[256])
{
    const char *base = getenv("TMPDIR");

    snprintf(path, 256, "%s/ms_store_XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_folder(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "r"), *out;
    char buf[65536];
    size_t n;

    if (!in)
        return;
    out = fopen(to, "w");
    ck_assert_ptr_nonnull(out);
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        ck_assert_uint_eq(fwrite(buf, 1, n, out), n);
    fclose(in);
    fclose(out);
}

void copy_database(const char *from, const char *to)
{
    static const char *const names[] = {"mindserve.db", "mindserve.db-wal", "mindserve.db-journal"};
    char a[512], b[512];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(a, sizeof a, "%s/%s", from, names[i]);
        snprintf(b, sizeof b, "%s/%s", to, names[i]);
        copy_file(a, b);
    }
}
