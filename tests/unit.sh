#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# unit.sh PROGRAM - runs a check program and prints one PASS, FAIL or SKIP line a test case.
name=$(basename "$1")
out=$(CK_TAP_LOG_FILE_NAME=- CK_VERBOSITY=silent "$1" 2>&1)
status=$?
if printf '%s\n' "$out" | grep -qE '^(not )?ok [0-9]+ - '; then
    printf '%s\n' "$out" | sed -nE "s/^ok [0-9]+ - ([^:]*:)?([^:]*:)?(.*): Passed$/PASS $name \3/p; t; s/^ok [0-9]+ - /PASS $name /p; s/^not ok [0-9]+ - /FAIL $name /p"
    printf '%s\n' "$out" | grep -E '^SKIP ' | sed "s/^SKIP /SKIP $name /"
    [ $status -eq 0 ] || printf '%s\n' "$out" | grep -vE '^ok ' | head -n 60
    if [ $status -ne 0 ] && ! printf '%s\n' "$out" | grep -q '^not ok'; then echo "FAIL $name exit status $status"; fi
elif [ $status -eq 77 ]; then
    echo "SKIP $name $(printf '%s' "$out" | tail -n 1)"
elif [ $status -eq 0 ]; then
    echo "PASS $name"
else
    printf '%s\n' "$out" | tail -n 40
    echo "FAIL $name exit status $status"
fi
