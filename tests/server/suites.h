/* SPDX-License-Identifier: Apache-2.0 */
/* suites.h - the suites of check_server; a new one is a line here and one in main.c. */
#ifndef MS_TESTS_SERVER_SUITES_H
#define MS_TESTS_SERVER_SUITES_H

#include <check.h>

Suite *suite_json(void);
Suite *suite_predict(void);
Suite *suite_front(void);
Suite *suite_guard(void);
Suite *suite_relay(void);
Suite *suite_jobs(void);
Suite *suite_leave(void);
Suite *suite_busy_poll(void);

#endif
