# SPDX-License-Identifier: Apache-2.0
"""The unit file, and the daemon's side of the protocol with the service manager."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness


class Unit(unittest.TestCase):
    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.folder = tempfile.mkdtemp(prefix="mindserve-unit-")
        self.unit = os.path.join(self.folder, "mindserved.service")
        with open(os.path.join(harness.BUILD, "systemd", "mindserved.service")) as f:
            text, n = re.subn(r"(?m)^ExecStart=/\S*/mindserved ", f"ExecStart={harness.BUILD}/mindserved ", f.read())
        self.assertEqual(n, 1, "the made unit names no absolute path")
        with open(self.unit, "w") as f:
            f.write(text)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def run_it(self, *args):
        return subprocess.run(["systemd-analyze", *args, self.unit], capture_output=True, text=True)

    def test_exposure(self):
        r = self.run_it("security", "--offline=true", "--threshold=12")
        self.assertEqual(r.returncode, 0, r.stdout[-300:] + r.stderr)

    def test_verify(self):
        r = self.run_it("verify")
        self.assertEqual((r.returncode, r.stderr), (0, ""))


class Notify(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mindserve-notify-")
        path = os.path.join(self.folder, "s")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(20)
        self.env = {"NOTIFY_SOCKET": path}

    def tearDown(self):
        self.socket.close()
        shutil.rmtree(self.folder)

    def next(self):
        return self.socket.recv(4096).decode().splitlines()

    def test_ready_reload_stop(self):
        with harness.Daemon(env=self.env) as d:
            self.assertEqual(self.next(), ["READY=1"])
            os.kill(d.pid, signal.SIGHUP)
            self.assertEqual(self.next()[0], "RELOADING=1")
            self.assertEqual(self.next(), ["READY=1"])
        self.assertEqual(self.next(), ["STOPPING=1"])

    def test_watchdog(self):
        with harness.Daemon(env={**self.env, "WATCHDOG_USEC": "300000"}) as d:
            pings, end = 0, time.monotonic() + 2
            while time.monotonic() < end:
                pings += self.next() == ["WATCHDOG=1"]
            self.assertGreaterEqual(pings, 5)  # idle workers count as alive
            self.assertTrue(d.alive())


if __name__ == "__main__":
    unittest.main()
