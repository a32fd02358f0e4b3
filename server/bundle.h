/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.h - the files of a version, mapped, as a reader of models wants them. */
#ifndef MS_SERVER_BUNDLE_H
#define MS_SERVER_BUNDLE_H

#include "base/vfs.h"
#include "ir/format.h"
#include "server/store_db.h"

struct ms_bundle;

/* Maps every file of v below the state folder. pushing: files that are no blobs yet are taken from
 * tmp/ (dry runs). src->open resolves what the model says against the bundle's paths and nothing
 * else: it never touches the disk. */
ms_code ms_bundle_open(int dir, const struct ms_version *v, bool pushing, struct ms_bundle **out,
                       struct ms_source *src, struct ms_err *err) MS_WARN_UNUSED;
/* Unmaps; the form that ms_model_load wants. */
void ms_bundle_release(void *bundle);

/* "a/b.bin" is fine; "", "/x", "a//b", "a/../b", "a/.", control bytes or more than 1024 are not. */
bool ms_bundle_path_valid(const char *path, size_t len);

#endif
