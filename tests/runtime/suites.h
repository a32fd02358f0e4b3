/* SPDX-License-Identifier: Apache-2.0 */
/* suites.h - the cases of this folder's files. */
#ifndef MS_TESTS_RUNTIME_SUITES_H
#define MS_TESTS_RUNTIME_SUITES_H

#include <check.h>

TCase *batch_tests(void);
TCase *fault_tests(void);
TCase *hostile_tests(void);
TCase *model_tests(void);
TCase *pair_tests(void);
TCase *plan_tests(void);
TCase *registry_tests(void);
TCase *spare_tests(void);
TCase *spread_tests(void);
TCase *tune_tests(void);

#endif
