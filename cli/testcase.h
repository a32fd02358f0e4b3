/* SPDX-License-Identifier: Apache-2.0 */
/* testcase.h - one folder of `msctl test`: a model and test_data_set_N with its inputs and outputs.
 */
#ifndef MS_CLI_TESTCASE_H
#define MS_CLI_TESTCASE_H

#include "cli/compare.h"

enum ms_cli_verdict { MS_CLI_PASS, MS_CLI_FAIL, MS_CLI_SKIP };

struct ms_cli_result {
    enum ms_cli_verdict verdict;
    char why[480]; /* of FAIL and SKIP; one line */
};

/* The file that is the folder's model, "" when there is none: *.onnx (model.onnx first), else
 * *.mindir (*_graph.mindir of a split model first). False when memory is out. */
bool ms_cli_case_model(const char *dir, char *name, size_t size);
/* Loads the model in this process and compares every data set. */
void ms_cli_case_run(const char *dir, const char *model, int threads,
                     const struct ms_cli_bounds *bounds, struct ms_cli_result *r);

#endif
