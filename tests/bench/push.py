#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What those who are served feel of a push: p99 of a small model's requests while half a gigabyte arrives and is loaded.

    push.py OUT.json MODEL [--rounds 6] [--ways rest,msctl]

In each round and for each way in a daemon of its own: 3 s of requests alone, the push beside requests, 3 s alone again. The
ratio is that of the push over both times alone. One client asks over gRPC, 2 ms after each answer; it and the pusher share
the processors with the daemon. Beside: the daemon's peak RSS over the model's bytes, and what the host took away meanwhile
(steal of /proc/stat, per processor), without which a p99 of a virtual machine cannot be read. Reported: medians and ranges.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import test_big  # noqa: E402
from harness import Daemon  # noqa: E402

ALONE = 3.0


def stolen():
    with open("/proc/stat") as f:
        return int(f.readline().split()[8]) / os.sysconf("SC_CLK_TCK") / os.cpu_count()


def served(d, work):
    """Milliseconds of each request while work() is done; its seconds; the part of them that was stolen."""
    client, start, before = test_big.Latency(d.grpc), time.monotonic(), stolen()
    try:
        work()
    finally:
        client.stop()
    seconds = time.monotonic() - start
    if client.errors:
        sys.exit(f"a request failed: {client.errors[0]}")
    return client.times, seconds, (stolen() - before) / seconds


def one(way, path):
    push = test_big.Big()
    with Daemon() as d:
        with open(test_big.SMALL, "rb") as f:
            d.deploy("small", f.read())
        before, _, s0 = served(d, lambda: time.sleep(ALONE))
        during, seconds, s1 = served(d, lambda: getattr(push, "by_" + way)(d, path))
        peak = test_big.peak_rss(d.pid)
        after, _, s2 = served(d, lambda: time.sleep(ALONE))
    alone, busy = np.percentile(before + after, 99), np.percentile(during, 99)
    return {"way": way, "alone_p99_ms": float(alone), "push_p99_ms": float(busy), "ratio": float(busy / alone), "push_p50_ms": float(np.median(during)),
            "alone_p50_ms": float(np.median(before + after)), "seconds": seconds, "peak": peak / os.path.getsize(path), "steal_alone": (s0 + s2) / 2, "steal_push": s1}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("model", nargs="?")
    p.add_argument("--rounds", type=int, default=6)
    p.add_argument("--ways", default="rest,msctl")
    a = p.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        path = a.model
        if not path:
            path = os.path.join(folder, "big.onnx")
            test_big.big_model(path)
        print(f"{'way':6} {'p50 alone':>10} {'push':>7} {'p99 alone':>10} {'push':>7} {'ratio':>6} {'live in':>8} {'peak RSS':>9} {'stolen alone':>13} {'push':>6}")
        for r in range(a.rounds):
            for way in a.ways.split(",")[::1 if r % 2 == 0 else -1]:
                m = one(way, path)
                rows.append(m)
                print(f"{way:6} {m['alone_p50_ms']:7.2f} ms {m['push_p50_ms']:7.2f} {m['alone_p99_ms']:7.2f} ms {m['push_p99_ms']:7.2f} {m['ratio']:6.2f} "
                      f"{m['seconds']:6.1f} s {m['peak']:7.2f} x {m['steal_alone']:12.1%} {m['steal_push']:6.1%}", flush=True)
    for way in a.ways.split(","):
        ratio = sorted(m["ratio"] for m in rows if m["way"] == way)
        print(f"{way}: p99 during a push over alone, median {statistics.median(ratio):.2f} ({ratio[0]:.2f} to {ratio[-1]:.2f}), "
              f"{sum(x <= 2 for x in ratio)} of {len(ratio)} at most 2")
    with open(a.out, "w") as f:
        json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()
