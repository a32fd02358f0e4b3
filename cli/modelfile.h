/* SPDX-License-Identifier: Apache-2.0 */
/* modelfile.h - `deploy --config F.yaml`: a model's options, as the library takes them. */
#ifndef MS_CLI_MODELFILE_H
#define MS_CLI_MODELFILE_H

#include "cli/msctl.h"
#include "config/config.h"

struct ms_cli_modelfile {
    struct ms_config *yaml; /* what config points into */
    struct mindserve_config config;
};

/* An exit code; free with ms_cli_modelfile_done, also after an error. */
int ms_cli_modelfile_read(struct ms_cli *c, const char *path, struct ms_cli_modelfile *m);
void ms_cli_modelfile_done(struct ms_cli_modelfile *m);

#endif
