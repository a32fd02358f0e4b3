# SPDX-License-Identifier: Apache-2.0
"""Starting: 50 ms with nothing, 1 s with a hundred models; 20 MB when idle. Sanitizer builds are slower
and larger: they only have to work."""
import os
import re
import subprocess
import tempfile
import time
import unittest

from harness import MINDSERVED, ROOT, Daemon

MODEL = os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.mindir")
SANITIZED = "san" in os.environ.get("BUILD", "")



class Start(unittest.TestCase):
    def best_of(self, state, tries):
        """Fewest milliseconds from exec to the ready line, and what the line itself says."""
        best, said, text = float("inf"), float("inf"), ""
        for _ in range(tries):
            with tempfile.TemporaryDirectory() as folder:
                start = time.monotonic()
                p = subprocess.Popen([MINDSERVED, "--state", state or os.path.join(folder, "s"), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
                                      "--metrics", "127.0.0.1:0", "--admin", os.path.join(folder, "a")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                text = p.stdout.readline().decode()
                best = min(best, (time.monotonic() - start) * 1e3)
                p.terminate()
                self.assertEqual(p.wait(30), 0)
                p.stdout.close()
            m = re.match(r"mindserved \S+ ready in (\d+) ms: http 127\.0\.0\.1:\d+, grpc 127\.0\.0\.1:\d+, metrics 127\.0\.0\.1:\d+, (\d+) models$", text.strip())
            self.assertIsNotNone(m, text)
            said = min(said, int(m[1]))
        return best, said, int(m[2])

    def test_empty(self):
        best, said, models = self.best_of(None, 10)
        self.assertEqual(models, 0)
        print(f"    ready in {best:.1f} ms from exec, {said} ms by its own clock")
        self.assertLessEqual(best, 50 if not SANITIZED else 5000)

    def test_idle_memory(self):
        with Daemon() as d:
            time.sleep(0.5)
            rss = d.rss() / 1e6
            print(f"    idle: {rss:.1f} MB resident")
            self.assertLessEqual(rss, 20 if not SANITIZED else 2000)

    def test_hundred_models(self):
        with open(MODEL, "rb") as f:
            data = f.read()
        count = 100 if not SANITIZED else 10
        with tempfile.TemporaryDirectory() as folder:
            state = os.path.join(folder, "state")
            with Daemon(state=state) as d:
                for k in range(count):
                    d.deploy(f"m{k}", data)
            best, said, models = self.best_of(state, 3)
            self.assertEqual(models, count)
            print(f"    {count} models: ready in {best:.0f} ms from exec, {said} ms by its own clock")
            self.assertLessEqual(best, 1000 if not SANITIZED else 60000)


if __name__ == "__main__":
    unittest.main()
