#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh ROOT - follows docs/adding.md in a copy of the tree: each diff touches the files that its recipe
# names and no other; then all three are built and used. Prints PASS and FAIL lines.
set -u
root=$1
here=$root/tests/adding
copy=$(mktemp -d "${TMPDIR:-/tmp}/mindserve-adding.XXXXXX")
trap 'rm -rf "$copy"' EXIT

touches() { # NAME FILES...: exactly these, in any order
    local name=$1 got want
    shift
    got=$(sed -n 's|^diff --git a/\(.*\) b/.*|\1|p' "$here/$name.diff" | sort | tr '\n' ' ')
    want=$(printf '%s\n' "$@" | sort | tr '\n' ' ')
    [ "$got" = "$want" ] && echo "PASS adding $name touches $want" || echo "FAIL adding $name touches $got, not $want"
}

(cd "$root" && git ls-files -z | xargs -0 cp --parents -t "$copy") || { echo "FAIL adding: copy"; exit 1; }
cd "$copy" || exit 1
touches operator Makefile.am kernels/cube.c
touches pass Makefile.am passes/pipeline.c passes/pull_neg.c tests/passes/pull_neg.txt
touches rpc Makefile.am proto/mindserve.proto server/rpc.c server/rpc_echo.c
for name in operator pass rpc; do
    patch -p1 -s <"$here/$name.diff" && echo "PASS adding $name applies" || echo "FAIL adding $name does not apply"
done
mkdir -p build/log
{ autoreconf -i && cd build && ../configure && make -j"$(nproc)" all check_kernels check_passes; } >"$copy/build-log.txt" 2>&1 ||
    { tail -n 20 "$copy/build-log.txt"; echo "FAIL adding: build"; exit 1; }
cd "$copy/build" || exit 1
srcdir=.. ./check_kernels --op Cube >/dev/null 2>&1 && echo "PASS adding operator: every kernel against the reference" || echo "FAIL adding operator: check_kernels"
srcdir=.. ../tests/unit.sh ./check_passes | grep -q '^FAIL' && echo "FAIL adding pass: check_passes" || echo "PASS adding pass: its text"
./mindserved --state state --http 127.0.0.1:0 --grpc off --metrics off --endpoints-file at.json >/dev/null 2>daemon.log &
daemon=$!
for _ in $(seq 200); do [ -s at.json ] && break; sleep 0.02; done
http=$(sed -nE 's/.*"http": ?"([^"]*)".*/\1/p' at.json)
says=$(curl -sS -d '{"text":"hello"}' "http://$http/v2/repository/echo")
[ "$says" = '{"text":"hello"}' ] && echo "PASS adding rpc: answers" || echo "FAIL adding rpc: $says"
kill $daemon
wait $daemon
