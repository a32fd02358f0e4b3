/* SPDX-License-Identifier: Apache-2.0 */
/* suites.h - the suites of check_proto; a new one is a line here and one in main.c. */
#ifndef MS_TESTS_PROTO_SUITES_H
#define MS_TESTS_PROTO_SUITES_H

#include <check.h>

Suite *suite_wirescan(void);
Suite *suite_onnx_tensor(void);
Suite *suite_onnx(void);
Suite *suite_onnx_files(void);
Suite *suite_mindir(void);
Suite *suite_mindir_files(void);

#endif
