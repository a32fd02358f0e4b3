/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - a model file and the files beside it that it names, mapped. */
#ifndef MS_CLIENT_SOURCE_H
#define MS_CLIENT_SOURCE_H

#include "base/vfs.h"
#include "ir/format.h"

struct ms_source_file {
    char *location; /* as the model names it; the model's own file name for the first */
    struct ms_mapping map;
};

struct ms_file_source {
    struct ms_source src;        /* src.arg is this struct */
    int dirfd;                   /* the model's folder */
    struct ms_source_file *file; /* [0] is the model, the others in the order they were asked for */
    int n, cap;
};

/* Maps the model file at path. Errors name the file's last path component. */
ms_code ms_source_open(const char *path, struct ms_file_source **out,
                       struct ms_err *err) MS_WARN_UNUSED;
/* Unmaps everything; arg is a struct ms_file_source, or NULL. Fits ms_model_load's release. */
void ms_source_free(void *arg);

/* What a model file says, without loading it: see ms_format.read. Makes the source open the files
 * that the model refers to. Frees with ms_reading_done, also after an error. */
struct ms_reading {
    const struct ms_format *format; /* NULL: no reader accepts the bytes */
    struct ms_arena arena;
    struct ms_graph *graph; /* NULL after an error */
    struct ms_buf missing;  /* operators that are not supported, a line for each node */
};
ms_code ms_source_read(struct ms_file_source *s, struct ms_reading *r,
                       struct ms_err *err) MS_WARN_UNUSED;
void ms_reading_done(struct ms_reading *r);

/* The file's stem as a model's name: bytes that names do not have become '_'. NULL when the arena
 * is full. */
char *ms_stem_name(struct ms_arena *a, const char *path);

#endif
