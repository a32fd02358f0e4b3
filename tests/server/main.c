/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - check_server: the request path, and the front before it. */
#include <stdlib.h>

#include "tests/server/suites.h"

int main(void)
{
    SRunner *sr = srunner_create(suite_json());
    int failed;

    srunner_add_suite(sr, suite_predict());
    srunner_add_suite(sr, suite_front());
    srunner_add_suite(sr, suite_guard());
    srunner_add_suite(sr, suite_relay());
    srunner_add_suite(sr, suite_jobs());
    srunner_add_suite(sr, suite_leave());
    srunner_add_suite(sr, suite_busy_poll());
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
