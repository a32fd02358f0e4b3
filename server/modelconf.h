/* SPDX-License-Identifier: Apache-2.0 */
/* modelconf.h - how one model is to be served: what the deployer sent, under what the YAML file
 * says, as the runtime and as clients want to know it. */
#ifndef MS_SERVER_MODELCONF_H
#define MS_SERVER_MODELCONF_H

#include "config/config.h"
#include "proto/mindserve.pb-c.h"
#include "runtime/model.h"

/* A message from packed bytes that were checked (the store's own); NULL: err. */
Mindserve__V1__ModelConfig *ms_modelconf_unpack(struct ms_bytes packed, struct ms_err *err);
void ms_modelconf_free(Mindserve__V1__ModelConfig *m);
/* Refuses values outside of what the options allow. m may be NULL. */
ms_code ms_modelconf_check(const Mindserve__V1__ModelConfig *m, struct ms_err *err) MS_WARN_UNUSED;
/* The canonical packed form in an arena; empty for NULL. */
ms_code ms_modelconf_pack(const Mindserve__V1__ModelConfig *m, struct ms_arena *a,
                          struct ms_bytes *out, struct ms_err *err) MS_WARN_UNUSED;
/* m with the overrides of models.NAME over it, in an arena (strings are shared). For clients. */
ms_code ms_modelconf_merge(const Mindserve__V1__ModelConfig *m, const struct ms_config_model *over,
                           struct ms_arena *a, Mindserve__V1__ModelConfig **out,
                           struct ms_err *err) MS_WARN_UNUSED;
/* Fills batching, names, passes, budget, nesting and times of o from a merged message, the daemon's
 * options and, for what only the daemon decides, those of models.NAME (may be NULL). o points into
 * m. */
void ms_modelconf_opts(const Mindserve__V1__ModelConfig *m, const struct ms_config *c,
                       const struct ms_config_model *over, struct ms_model_opts *o);
/* What Triton calls a model configuration, as far as it has a meaning here, laid over m in place:
 * {"max_batch_size": 8, "dynamic_batching": {...}}. New parts are in the arena. */
ms_code ms_modelconf_triton(Mindserve__V1__ModelConfig *m, const char *json, struct ms_arena *a,
                            struct ms_err *err) MS_WARN_UNUSED;

#endif
