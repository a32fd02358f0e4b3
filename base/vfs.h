/* SPDX-License-Identifier: Apache-2.0 */
/* vfs.h - every file operation of the store, behind one table.
 *
 * The product uses ms_vfs_posix(); tests put a table of their own in front that fails the n-th
 * operation or forgets what was never fsynced. All functions return 0 (or a count) or -errno; none
 * sets errno for the caller. Paths are relative to dirfd (AT_FDCWD allowed); symlinks are not
 * followed in the last component. */
#ifndef MS_BASE_VFS_H
#define MS_BASE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct ms_vfs {
    int (*open)(const struct ms_vfs *v, int dirfd, const char *path, int flags,
                mode_t mode); /* fd */
    int (*close)(const struct ms_vfs *v, int fd);
    ssize_t (*pread)(const struct ms_vfs *v, int fd, void *buf, size_t len, off_t at);
    ssize_t (*pwrite)(const struct ms_vfs *v, int fd, const void *buf, size_t len, off_t at);
    int (*allocate)(const struct ms_vfs *v, int fd, off_t size);
    int (*truncate)(const struct ms_vfs *v, int fd, off_t size);
    int (*fsync)(const struct ms_vfs *v, int fd); /* files and folders */
    /* Asks for these bytes to be written soon, so that an fsync finds little left. Promises
     * nothing: a failure means that fsync has more to do, and what went wrong is fsync's to tell.
     */
    int (*begin_sync)(const struct ms_vfs *v, int fd, off_t at, off_t len);
    int (*rename)(const struct ms_vfs *v, int dirfd, const char *from, const char *to);
    int (*unlink)(const struct ms_vfs *v, int dirfd, const char *path);
    int (*mkdir)(const struct ms_vfs *v, int dirfd, const char *path, mode_t mode);
    int64_t (*size)(const struct ms_vfs *v, int fd);  /* bytes of an open regular file */
    int64_t (*mtime)(const struct ms_vfs *v, int fd); /* last change, seconds since 1970 */
    int (*list)(const struct ms_vfs *v, int dirfd, const char *path,
                int (*each)(void *arg, const char *name), void *arg); /* names but . and .. */
    int64_t (*free_bytes)(const struct ms_vfs *v, int dirfd);
    void *arg; /* of the implementation */
};

const struct ms_vfs *ms_vfs_posix(void);

/* Loops over short reads and writes. 0 or -errno (-EIO for an early end of file). */
int ms_vfs_read_all(const struct ms_vfs *v, int fd, void *buf, size_t len, off_t at);
int ms_vfs_write_all(const struct ms_vfs *v, int fd, const void *buf, size_t len, off_t at);

/* A whole file in memory, read only: mapped, or for the test table read. */
struct ms_mapping {
    const uint8_t *data;
    size_t len;
    bool mapped;
};
/* path relative to dirfd, opened beneath it (no "..", no symlinks) when beneath is set. Error text
 * names `path`'s last component only. */
ms_code ms_map_file(int dirfd, const char *path, bool beneath, struct ms_mapping *out,
                    struct ms_err *err);
void ms_unmap(struct ms_mapping *m);

#endif
