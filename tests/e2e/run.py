#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the end-to-end tests (tests/e2e/test_*.py, unittest cases) and prints a line each.

    run.py [MODULE[.CLASS[.TEST]]...]      PASS module.Class.test | FAIL ... | SKIP ...: reason

Environment: BUILD = folder with mindserved and msctl; QUICK=1 leaves out what needs minutes
(cases whose class or method has the attribute `slow`); sanitizer builds run quick.
"""
import importlib
import os
import sys
import time
import traceback
import unittest

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)


class Lines(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, word, test, reason=""):
        print(f"{word} {test.id()}{': ' + reason if reason else ''} ({time.monotonic() - self.began:.1f} s)", flush=True)

    def addSuccess(self, test):
        self.line("PASS", test)

    def addSkip(self, test, reason):
        self.began = getattr(self, "began", time.monotonic())
        self.line("SKIP", test, reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.began = getattr(self, "began", time.monotonic())
        self.bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.bad(subtest, err)

    def bad(self, test, err):
        last = str(err[1]).strip().splitlines() or [err[0].__name__]
        self.line("FAIL", test, f"{err[0].__name__}: {last[0][:300]}")
        for row in traceback.format_exception(*err):
            print("    " + row.rstrip().replace("\n", "\n    "), flush=True)


def cases(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from cases(t)
        else:
            yield t


def is_slow(test):
    method = getattr(test, getattr(test, "_testMethodName", ""), None)
    return getattr(type(test), "slow", False) or getattr(method, "slow", False)


def main():
    names = sys.argv[1:] or sorted(f[:-3] for f in os.listdir(here) if f.startswith("test_") and f.endswith(".py"))
    quick = os.environ.get("QUICK") == "1"
    loader, chosen = unittest.TestLoader(), unittest.TestSuite()
    for name in names:
        importlib.import_module(name.split(".")[0])  # a module that cannot be read fails here, with its own error
        for test in cases(loader.loadTestsFromName(name)):
            if not (quick and is_slow(test)):
                chosen.addTest(test)
    result = Lines()
    chosen.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
