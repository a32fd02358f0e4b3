/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - check_proto. */
#include <stdlib.h>

#include "tests/proto/suites.h"

int main(void)
{
    SRunner *sr = srunner_create(suite_wirescan());
    int failed;

    srunner_add_suite(sr, suite_onnx_tensor());
    srunner_add_suite(sr, suite_onnx());
    srunner_add_suite(sr, suite_onnx_files());
    srunner_add_suite(sr, suite_mindir());
    srunner_add_suite(sr, suite_mindir_files());
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
