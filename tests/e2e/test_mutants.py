# SPDX-License-Identifier: Apache-2.0
"""Mutated models pushed at a live daemon: each is taken or refused in one line, and a model that was
there answers the same all along. MUTANTS sets how many (default 120)."""
import json
import os
import random
import unittest

import numpy as np
import tritonclient.http as http

from harness import ROOT, Daemon, add_sub, identity

COUNT = int(os.environ.get("MUTANTS", "120"))


def seeds():
    yield identity()
    yield add_sub()
    for name in ("fashion_cnn.mindir", "fashion_cnn.onnx"):
        with open(os.path.join(ROOT, "examples/fashion_cnn", name), "rb") as f:
            yield f.read()


def mutate(data, rng):
    """A few flips, cuts, repeats and swaps; structure is mostly at the head of the small seeds."""
    b = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(min(len(b), 4096)) if rng.random() < 0.8 else rng.randrange(len(b))
        what = rng.randrange(6)
        if what == 0:
            b[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            b[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff))
        elif what == 2:
            del b[at:at + rng.randint(1, 16)]
        elif what == 3:
            b[at:at] = b[at:at + rng.randint(1, 64)]
        elif what == 4:
            b[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        else:
            b[at:at + 8] = b[at:at + 8][::-1]
        if not b:
            return bytes(1)
    return bytes(b)


class Mutants(unittest.TestCase):
    def test_push(self):
        rng, all_seeds, taken, refused = random.Random(11), list(seeds()), 0, 0
        with Daemon() as d:
            d.deploy("steady", add_sub())
            c = http.InferenceServerClient(d.http)
            inputs = []
            for name in ("INPUT0", "INPUT1"):
                inputs.append(http.InferInput(name, [1, 16], "INT32"))
                inputs[-1].set_data_from_numpy(np.arange(16, dtype=np.int32)[None])
            for k in range(COUNT):
                data = mutate(rng.choice(all_seeds), rng)
                status, _, body = d.request("PUT", "/v2/repository/models/mutant/versions/next", data, timeout=120)
                if status in (200, 201):
                    taken += 1
                    continue
                self.assertIn(status, (400, 413, 429, 501, 503, 504), f"mutant {k}: {status} {body[:300]!r}")
                text = json.loads(body)["error"]
                self.assertTrue(0 < len(text) <= 512 and "\n" not in text, text)
                for leak in (d.state, "/etc", "/usr", "/home", "/proc"):
                    self.assertNotIn(leak, text)
                refused += 1
                if k % 20 == 0:
                    y = c.infer("steady", inputs).as_numpy("OUTPUT0")
                    self.assertTrue((y == 2 * np.arange(16)).all())
            self.assertTrue(d.alive())
        print(f"    {COUNT} mutants: {taken} taken, {refused} refused")
        self.assertGreater(refused, COUNT // 10)


if __name__ == "__main__":
    unittest.main()
