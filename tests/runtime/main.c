/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - all cases of the runtime. */
#include <stdlib.h>

#include "tests/runtime/suites.h"

int main(void)
{
    Suite *s = suite_create("runtime");
    SRunner *r;

    suite_add_tcase(s, model_tests());
    suite_add_tcase(s, pair_tests());
    suite_add_tcase(s, plan_tests());
    suite_add_tcase(s, batch_tests());
    suite_add_tcase(s, registry_tests());
    suite_add_tcase(s, spare_tests());
    suite_add_tcase(s, spread_tests());
    suite_add_tcase(s, fault_tests());
    suite_add_tcase(s, hostile_tests());
    suite_add_tcase(s, tune_tests());
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
