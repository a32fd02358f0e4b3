/* SPDX-License-Identifier: Apache-2.0 */
/* offline.h - a model file loaded in this process, for the commands that need no server. */
#ifndef MS_CLI_OFFLINE_H
#define MS_CLI_OFFLINE_H

#include "cli/msctl.h"

struct ms_cli_offline {
    struct mindserve *ms;
    struct mindserve_deployed *deployed;
    struct mindserve_info *info;
};

/* Loads a file under the name "model". how and opts may be NULL. An exit code; free with
 * ms_cli_offline_done, also after an error. */
int ms_cli_offline_load(struct ms_cli *c, const char *path, const struct mindserve_options *how,
                        const struct mindserve_deploy_options *opts, struct ms_cli_offline *o);
void ms_cli_offline_done(struct ms_cli_offline *o);

/* ---- showing results ---- */

/* Class names, one a line; a zeroed struct has none. */
struct ms_cli_labels {
    char *text;
    const char **label;
    int n;
};
int ms_cli_labels_read(struct ms_cli *c, const char *path, struct ms_cli_labels *l);
void ms_cli_labels_done(struct ms_cli_labels *l);

/* Shape and first values of each output, or the five best classes where there are labels. */
void ms_cli_outputs_text(struct ms_buf *b, const struct mindserve_outputs *o,
                         const char *const *label, int n_labels);
void ms_cli_outputs_json(struct ms_buf *b, const struct mindserve_outputs *o);

/* ---- timing ---- */

struct ms_cli_times {
    double *ms;
    int n, cap;
};
bool ms_cli_times_add(struct ms_cli_times *t, double ms);
/* Sorts; then the value below which q (0..1) of them lie, by nearest rank. */
void ms_cli_times_sort(struct ms_cli_times *t);
double ms_cli_times_at(const struct ms_cli_times *t, double q);

#endif
