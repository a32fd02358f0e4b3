/* SPDX-License-Identifier: Apache-2.0 */
/* vfs.c - the file operations as the system has them. */
#include "base/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(int rc)
{
    return rc < 0 ? -errno : rc;
}

static int posix_open(const struct ms_vfs *v, int dirfd, const char *path, int flags, mode_t mode)
{
    int fd;

    (void)v;
    do
        fd = openat(dirfd, path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    while (fd < 0 && errno == EINTR);
    return result(fd);
}

static int posix_close(const struct ms_vfs *v, int fd)
{
    (void)v;
    /* Linux frees the descriptor also when close is interrupted: never again. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t posix_pread(const struct ms_vfs *v, int fd, void *buf, size_t len, off_t at)
{
    ssize_t n;

    (void)v;
    do
        n = pread(fd, buf, len, at);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t posix_pwrite(const struct ms_vfs *v, int fd, const void *buf, size_t len, off_t at)
{
    ssize_t n;

    (void)v;
    do
        n = pwrite(fd, buf, len, at);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int posix_allocate(const struct ms_vfs *v, int fd, off_t size)
{
    (void)v;
    return size > 0 ? -posix_fallocate(fd, 0, size) : 0;
}

static int posix_truncate(const struct ms_vfs *v, int fd, off_t size)
{
    (void)v;
    return result(ftruncate(fd, size));
}

static int posix_fsync(const struct ms_vfs *v, int fd)
{
    (void)v;
    return result(fsync(fd)); /* never retried: the kernel may have dropped the dirty pages */
}

static int posix_begin_sync(const struct ms_vfs *v, int fd, off_t at, off_t len)
{
    (void)v;
    /* Does not look for errors of earlier writing: those stay for fsync. */
    return result(sync_file_range(fd, at, len, SYNC_FILE_RANGE_WRITE));
}

static int posix_rename(const struct ms_vfs *v, int dirfd, const char *from, const char *to)
{
    (void)v;
    return result(renameat(dirfd, from, dirfd, to));
}

static int posix_unlink(const struct ms_vfs *v, int dirfd, const char *path)
{
    (void)v;
    return result(unlinkat(dirfd, path, 0));
}

static int posix_mkdir(const struct ms_vfs *v, int dirfd, const char *path, mode_t mode)
{
    (void)v;
    return result(mkdirat(dirfd, path, mode));
}

static int64_t posix_size(const struct ms_vfs *v, int fd)
{
    struct stat st;

    (void)v;
    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? (int64_t)st.st_size : -EINVAL;
}

static int64_t posix_mtime(const struct ms_vfs *v, int fd)
{
    struct stat st;

    (void)v;
    return fstat(fd, &st) < 0 ? -errno : (int64_t)st.st_mtim.tv_sec;
}

static int posix_list(const struct ms_vfs *v, int dirfd, const char *path,
                      int (*each)(void *arg, const char *name), void *arg)
{
    int fd = posix_open(v, dirfd, path, O_RDONLY | O_DIRECTORY, 0);
    int rc = 0;

    if (fd < 0)
        return fd;
    DIR *d = fdopendir(fd);
    if (!d) {
        rc = -errno;
        close(fd);
        return rc;
    }
    for (struct dirent *e; rc == 0 && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = each(arg, e->d_name);
    closedir(d);
    return rc;
}

static int64_t posix_free_bytes(const struct ms_vfs *v, int dirfd)
{
    struct statvfs s;

    (void)v;
    if (fstatvfs(dirfd, &s) < 0)
        return -errno;
    return (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

const struct ms_vfs *ms_vfs_posix(void)
{
    static const struct ms_vfs posix = {
        .open = posix_open,
        .close = posix_close,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .allocate = posix_allocate,
        .truncate = posix_truncate,
        .fsync = posix_fsync,
        .begin_sync = posix_begin_sync,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .mkdir = posix_mkdir,
        .size = posix_size,
        .mtime = posix_mtime,
        .list = posix_list,
        .free_bytes = posix_free_bytes,
    };

    return &posix;
}

int ms_vfs_read_all(const struct ms_vfs *v, int fd, void *buf, size_t len, off_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = v->pread(v, fd, (char *)buf + done, len - done, at + (off_t)done);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

int ms_vfs_write_all(const struct ms_vfs *v, int fd, const void *buf, size_t len, off_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = v->pwrite(v, fd, (const char *)buf + done, len - done, at + (off_t)done);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* No "..", no symlinks, not out of the folder; by hand where the kernel has no openat2. */
static int open_beneath(int dirfd, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);

    if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
        return fd;
    int at = dup(dirfd);
    while (at >= 0) {
        char part[256];
        size_t n = strcspn(path, "/");
        bool last = path[n] == '\0';
        if (n == 0 || n >= sizeof part || (n == 2 && memcmp(path, "..", 2) == 0)) {
            close(at);
            errno = EXDEV;
            return -1;
        }
        memcpy(part, path, n);
        part[n] = '\0';
        int next = openat(at, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? 0 : O_DIRECTORY));
        int saved = errno;
        close(at);
        errno = saved;
        if (last)
            return next;
        at = next;
        path += n + 1;
    }
    return -1;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

ms_code ms_map_file(int dirfd, const char *path, bool beneath, struct ms_mapping *out,
                    struct ms_err *err)
{
    struct stat st;
    int fd = beneath ? open_beneath(dirfd, path) : openat(dirfd, path, O_RDONLY | O_CLOEXEC);

    *out = (struct ms_mapping){0};
    if (fd < 0)
        return ms_fail(err, errno == ENOENT ? MS_NOT_FOUND : MS_INVALID_ARGUMENT, "%s: %s",
                       last_part(path), strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: not a regular file", last_part(path));
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            int saved = errno;
            close(fd);
            return ms_fail(err, MS_RESOURCE_EXHAUSTED, "%s: %s", last_part(path), strerror(saved));
        }
        out->data = p;
        out->mapped = true;
    }
    out->len = (size_t)st.st_size;
    close(fd);
    return MS_OK;
}

void ms_unmap(struct ms_mapping *m)
{
    if (m->mapped)
        munmap((void *)(uintptr_t)m->data, m->len);
    *m = (struct ms_mapping){0};
}
