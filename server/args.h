/* SPDX-License-Identifier: Apache-2.0 */
/* args.h - the daemon's command line. */
#ifndef MS_SERVER_ARGS_H
#define MS_SERVER_ARGS_H

#include "config/config.h"

enum ms_args_action {
    MS_RUN,
    MS_CHECK_CONFIG,
    MS_SHOW_MARKDOWN, /* docs/options.md */
    MS_SHOW_YAML,     /* config/mindserved.yaml */
};

#define MS_DEFAULT_CONFIG "/etc/mindserve/mindserved.yaml"
#define MS_SYSTEM_STATE "/var/lib/mindserve"

struct ms_args {
    enum ms_args_action action;
    const char *config; /* NULL: MS_DEFAULT_CONFIG if it is there */
    const char *endpoints_file;
    char **set; /* "KEY=VALUE" in the order of the command line */
    int n_set;
};

/* Prints help, version or what is wrong, and then exits by itself (0, 2). */
void ms_args_parse(struct ms_args *a, int argc, char **argv);
void ms_args_done(struct ms_args *a);
/* The configuration that the arguments ask for; read anew at each call (SIGHUP). */
ms_code ms_args_config(const struct ms_args *a, struct ms_config **out,
                       struct ms_err *err) MS_WARN_UNUSED;

#endif
