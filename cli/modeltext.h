/* SPDX-License-Identifier: Apache-2.0 */
/* modeltext.h - a version of a model in a line, or as JSON. */
#ifndef MS_CLI_MODELTEXT_H
#define MS_CLI_MODELTEXT_H

#include "cli/msctl.h"

/* A heading and one line for each. */
void ms_cli_model_rows(struct ms_buf *b, const struct mindserve_model *m, int n);
/* An object, without a line's end. */
void ms_cli_model_json(struct ms_buf *b, const struct mindserve_model *m);
/* Likewise, a list of ports; name is the key in front. */
void ms_cli_ports_json(struct ms_buf *b, const char *name, const struct mindserve_port *p, int n);
/* "input     x f32[N,1,28,28]", a line for each. */
void ms_cli_ports_text(struct ms_buf *b, const char *what, const struct mindserve_port *p, int n);

#endif
