/* SPDX-License-Identifier: Apache-2.0 */
/* input.h - the --input arguments of a command, made into tensors for a model's inputs, and results
 * written back as files. */
#ifndef MS_CLI_INPUT_H
#define MS_CLI_INPUT_H

#include "base/err.h"
#include "cli/msctl.h"

enum { MS_CLI_MAX_INPUTS = 256 };

/* What was typed. A zeroed struct is empty. */
struct ms_cli_inputs {
    const char *word[MS_CLI_MAX_INPUTS]; /* "IN=FILE" or "FILE" */
    int n;
};
/* False (and an error was printed) when there are too many. */
bool ms_cli_input_add(struct ms_cli *c, struct ms_cli_inputs *in);

/* Reads the files and binds them to the model's inputs, by name or in order. named: room for
 * info->n_inputs; filled in the model's order. An exit code; after MS_EXIT_OK free with
 * ms_cli_inputs_free. */
int ms_cli_inputs_read(struct ms_cli *c, const struct ms_cli_inputs *in,
                       const struct mindserve_info *info, struct mindserve_named *named);
void ms_cli_inputs_free(struct mindserve_named *named, int n);

/* One file as a tensor; port (may be NULL) tells dtype and shape where the file does not. */
ms_code ms_cli_tensor_read(const char *path, const struct mindserve_port *port,
                           const struct mindserve_image *image, struct mindserve_tensor **out,
                           struct ms_err *err) MS_WARN_UNUSED;
/* Does a tensor fit a port? The error names both. bf16 values that came as u16 are relabelled. */
ms_code ms_cli_tensor_fit(struct mindserve_tensor **t, const struct mindserve_port *port,
                          struct ms_err *err) MS_WARN_UNUSED;
/* "f32[1,28,28]" */
struct ms_cli_name ms_cli_tensor_form(const struct mindserve_tensor *t);

/* A whole file of at most max bytes; free with ms_free. */
ms_code ms_cli_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len,
                         struct ms_err *err) MS_WARN_UNUSED;

/* K_NAME.npy, every byte of NAME outside [A-Za-z0-9._-] as '_'. */
struct ms_cli_name ms_cli_output_file(int k, const char *name);
/* Writes each output to dir (made if it is not there). An exit code. */
int ms_cli_outputs_write(struct ms_cli *c, const struct mindserve_outputs *o, const char *dir);

/* picture.c: .png and .jpg. */
ms_code ms_cli_picture_read(const uint8_t *bytes, size_t len, const struct mindserve_port *port,
                            const struct mindserve_image *image, struct mindserve_tensor **out,
                            struct ms_err *err) MS_WARN_UNUSED;
/* json.c: nested lists, or {"shape":[...],"datatype":"FP32","data":[...]}. */
ms_code ms_cli_json_read(const uint8_t *bytes, size_t len, const struct mindserve_port *port,
                         struct mindserve_tensor **out, struct ms_err *err) MS_WARN_UNUSED;

#endif
