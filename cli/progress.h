/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - long work shown on stderr: a bar on a terminal, plain lines elsewhere. */
#ifndef MS_CLI_PROGRESS_H
#define MS_CLI_PROGRESS_H

#include "cli/msctl.h"

struct ms_cli_progress {
    bool off, terminal;
    char step[32];     /* the one being shown */
    int64_t begun;     /* of the step, monotonic ns */
    uint64_t begun_at; /* bytes that were there when it began */
    int64_t shown;     /* last time the line was written */
    bool line;         /* a bar stands on the terminal's line */
};

void ms_cli_progress_init(struct ms_cli_progress *p, const struct ms_cli *c);
/* Fits mindserve_deploy_options.progress; arg is a struct ms_cli_progress. */
bool ms_cli_progress_step(void *arg, const char *step, uint64_t done, uint64_t total);
/* Wipes the bar, so that the result or an error starts on a line of its own. */
void ms_cli_progress_done(struct ms_cli_progress *p);

#endif
