/* SPDX-License-Identifier: Apache-2.0 */
/* store_blob.h - immutable files named by their content, and the pushes that become them.
 *
 *     state/tmp/HEX                 a push under way (or waiting to be resumed)
 *     state/blobs/sha256/ab/HEX     a whole file, 0400
 *     state/quarantine/HEX          one whose content no longer has its digest
 *
 * Used by the store thread only. Every operation on files goes through the ms_vfs. */
#ifndef MS_SERVER_STORE_BLOB_H
#define MS_SERVER_STORE_BLOB_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/sha256.h"
#include "base/vfs.h"

struct ms_push {             /* bytes [0, have) of a file are on disk and hashed */
    char hex[MS_SHA256_HEX]; /* announced digest; "" = whatever it turns out to be */
    char tmp[MS_SHA256_HEX]; /* name in tmp/ */
    int64_t size, have;
    int64_t begun; /* bytes that the kernel was asked to write out */
    int fd;
    struct ms_sha256 *sha;
    bool busy;       /* a stream is feeding it */
    int64_t touched; /* seconds; last byte */
    struct ms_push *next;
};

struct ms_blob_pin { /* a digest that collection must leave alone; embedded in its user */
    char hex[MS_SHA256_HEX];
    struct ms_blob_pin *prev, *next;
};

struct ms_blobs {
    const struct ms_vfs *vfs;
    int dir;           /* the state folder */
    int64_t quota;     /* bytes of blobs and pushes together; 0 = no bound */
    int64_t reserve;   /* bytes that must stay free on the disk */
    int max_pushes;    /* with a stream */
    atomic_llong used; /* bytes of whole blobs */
    int64_t pending;   /* bytes set aside by pushes */
    struct ms_push *pushes;
    unsigned unnamed; /* counts, for names in tmp/ */
    struct ms_blob_pin *pins;
};

/* Makes the folders, empties tmp/ and sums up what is there. b->vfs, dir and the limits are set. */
ms_code ms_blobs_open(struct ms_blobs *b, struct ms_err *err) MS_WARN_UNUSED;
/* Closes and removes pushes under way. */
void ms_blobs_close(struct ms_blobs *b);

/* Is a whole blob of that digest and size there? */
bool ms_blobs_has(struct ms_blobs *b, const char *hex, int64_t size);
/* Bytes of a blob, -errno if it is not there. */
int64_t ms_blobs_size(struct ms_blobs *b, const char *hex);
/* Path of a blob relative to the state folder. */
enum { MS_BLOB_PATH = 96 };
void ms_blob_path(char path[MS_BLOB_PATH], const char *hex);

/* A push of a file: a new one, or one that was left (p->have > 0 then says where to go on).
 * RESOURCE_EXHAUSTED beyond quota, disk or max_pushes; ABORTED if another stream feeds it. */
ms_code ms_push_open(struct ms_blobs *b, const char *hex, int64_t size, int64_t now,
                     struct ms_push **out, struct ms_err *err) MS_WARN_UNUSED;
/* A push whose digest nobody told; it cannot be resumed. */
ms_code ms_push_open_unnamed(struct ms_blobs *b, int64_t size, int64_t now, struct ms_push **out,
                             struct ms_err *err) MS_WARN_UNUSED;
/* Appends. INVALID_ARGUMENT if offset is not p->have or it would be too long. */
ms_code ms_push_write(struct ms_blobs *b, struct ms_push *p, int64_t offset, const void *data,
                      size_t len, int64_t now, struct ms_err *err) MS_WARN_UNUSED;
/* Makes the whole push a blob: digest compared, fsync, rename, fsync of the folder. Always ends the
 * push. INVALID_ARGUMENT if the digest is another. hex (may be NULL) gets the digest. */
ms_code ms_push_finish(struct ms_blobs *b, struct ms_push *p, char hex[MS_SHA256_HEX],
                       struct ms_err *err) MS_WARN_UNUSED;
/* The stream ended early: what arrived waits for another one. */
void ms_push_leave(struct ms_blobs *b, struct ms_push *p, int64_t now);
/* Ends a push and removes what arrived. */
void ms_push_drop(struct ms_blobs *b, struct ms_push *p);
/* RESOURCE_EXHAUSTED when so many bytes more do not fit. */
ms_code ms_blobs_room(struct ms_blobs *b, int64_t size, struct ms_err *err) MS_WARN_UNUSED;
/* The push of a digest; NULL if there is none. */
struct ms_push *ms_push_find(struct ms_blobs *b, const char *hex);
/* Removes pushes left for longer than keep seconds. */
void ms_push_expire(struct ms_blobs *b, int64_t now, int64_t keep);

/* Reads the whole file and compares size and digest; DATA_LOSS. Safe on any thread. */
ms_code ms_blob_verify(const struct ms_vfs *v, int dir, const char *hex, int64_t size,
                       const atomic_bool *cancel, struct ms_err *err) MS_WARN_UNUSED;
/* Takes a damaged blob out of the way, so that it can be pushed again. */
void ms_blobs_quarantine(struct ms_blobs *b, const char *hex);
ms_code ms_blobs_remove(struct ms_blobs *b, const char *hex, int64_t size,
                        struct ms_err *err) MS_WARN_UNUSED;
/* Every file below blobs/ whose name is a digest; age by last change. Stops when each is not MS_OK.
 */
ms_code ms_blobs_each(struct ms_blobs *b,
                      ms_code (*each)(void *arg, const char *hex, int64_t size, int64_t mtime,
                                      struct ms_err *err),
                      void *arg, struct ms_err *err) MS_WARN_UNUSED;

void ms_blobs_pin(struct ms_blobs *b, struct ms_blob_pin *p, const char *hex);
void ms_blobs_unpin(struct ms_blobs *b, struct ms_blob_pin *p);
bool ms_blobs_pinned(const struct ms_blobs *b, const char *hex);

/* -errno of a file operation as an error: "WHAT: No space left on device". */
ms_code ms_vfs_fail(struct ms_err *err, int rc, const char *what);
/* A folder that is there afterwards, also after a power cut. */
int ms_vfs_make_dir(const struct ms_vfs *v, int dirfd, const char *path, const char *parent);
/* fsync of a folder. */
int ms_vfs_sync_dir(const struct ms_vfs *v, int dirfd, const char *path);

#endif
