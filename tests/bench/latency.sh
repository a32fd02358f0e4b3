#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# latency.sh BUILD [N [OPTION-OF-MINDSERVED...]] - round trips of a small model, one at a time, client included.
# The bars: p50 <= 150 us over gRPC, <= 120 us over REST binary.
set -eu
build=$(cd "$1" && pwd)
n=${2:-20000}
shift $(($# < 2 ? $# : 2))
here=$(cd "$(dirname "$0")" && pwd)
state=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$state"' EXIT

"$build/mindserved" --state "$state/state" --http 127.0.0.1:0 --grpc 127.0.0.1:0 --metrics off \
    --endpoints-file "$state/endpoints" "$@" >/dev/null 2>"$state/log" &
pid=$!
for _ in $(seq 500); do [ -s "$state/endpoints" ] && break; sleep 0.02; done
address() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$state/endpoints"; }

curl -fsS -T "$here/../../examples/fashion_cnn/fashion_cnn.onnx" \
    "http://$(address http)/v2/repository/models/small/versions/1" >/dev/null
input=$(curl -fsS "http://$(address http)/v2/models/small" |
    sed -n 's/.*"inputs":\[{"name":"\([^"]*\)".*/\1/p')
mkdir -p "$build/bench"
"$build/roundtrip" "$(address http)" "$(address grpc)" small "$input" FP32 1,1,28,28 3136 "$n" |
    tee "$build/bench/latency.json"
