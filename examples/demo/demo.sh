#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh BUILD - the whole way once: start the daemon, push a MindIR and an ONNX model, classify ten
# pictures over REST and gRPC, look at the metrics, stop. Every step is a command to copy.
set -u
build=$1
here=$(cd "$(dirname "$0")/.." && pwd)
model=$here/fashion_cnn
state=$(mktemp -d "${TMPDIR:-/tmp}/mindserve-demo.XXXXXX")
daemon=

finish() {
    [ -n "$daemon" ] && kill -TERM "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    rm -rf "$state"
}
trap finish EXIT
fail() { echo "demo: FAILED: $*" >&2; [ -s "$state/log" ] && tail -n 20 "$state/log" >&2; exit 1; }
step() { printf '\n== %s\n' "$*"; }
field() { sed -nE "s/.*\"$1\": ?\"([^\"]*)\".*/\1/p" "$state/endpoints.json"; }

step "start mindserved on a state folder of its own and free ports"
"$build/mindserved" --state "$state/state" --http 127.0.0.1:0 --grpc 127.0.0.1:0 --metrics 127.0.0.1:0 \
    --endpoints-file "$state/endpoints.json" >"$state/ready" 2>"$state/log" &
daemon=$!
for _ in $(seq 200); do
    [ -s "$state/endpoints.json" ] && [ -s "$state/ready" ] && break
    kill -0 $daemon 2>/dev/null || fail "the daemon did not start"
    sleep 0.02
done
cat "$state/ready"
http=$(field http) metrics=$(field metrics) grpc=$(field grpc)
[ -n "$http" ] && [ -n "$grpc" ] || fail "no endpoints"
export MINDSERVE_SERVER=$grpc

step "push two models, one exported by MindSpore as MindIR, one as ONNX"
"$build/msctl" deploy "$model/fashion_cnn.mindir" --name fashion_mindir --config "$model/fashion_cnn.yaml" || fail "deploy of the MindIR model"
"$build/msctl" deploy "$model/fashion_cnn.onnx" --name fashion_onnx --config "$model/fashion_cnn.yaml" || fail "deploy of the ONNX model"
"$build/msctl" models || fail "models"

step "classify pictures over gRPC (msctl) and REST (curl)"
right=0
while IFS=, read -r file _ label class; do
    [ "$file" = file ] && continue
    for name in fashion_mindir fashion_onnx; do
        grpc_says=$("$build/msctl" infer $name --input "$model/pictures/$file" --labels "$model/labels.txt") || fail "infer $file over gRPC"
        grpc_best=$(printf '%s\n' "$grpc_says" | grep -m1 -oF "$class")
        "$build/msctl" infer $name --input "$model/pictures/$file" --print-request >"$state/request.json" || fail "request for $file"
        rest_says=$(curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$state/request.json" \
            "http://$http/v2/models/$name/infer") || fail "infer $file over REST: $rest_says"
        rest_best=$(printf '%s' "$rest_says" | grep -oE '"[0-9.e+-]+:[0-9]+' | head -n 1 | sed 's/.*://')
        [ "$grpc_best" = "$class" ] || fail "$file over gRPC is not $class: $grpc_says"
        [ "$rest_best" = "$label" ] || fail "$file over REST is not $label: $rest_says"
        right=$((right + 2))
    done
    printf '%-20s gRPC: %-12s REST: class %s\n' "$file" "$grpc_best" "$rest_best"
done <"$model/pictures/samples.csv"
[ $right -eq 40 ] || fail "only $right of 40 answers"

step "metrics"
curl -sS "http://$metrics/metrics" >"$state/metrics" || fail "metrics"
grep -E '^(mindserve_requests_total|nv_inference_request_success|mindserve_compute_seconds_(count|sum))' "$state/metrics" || fail "no metrics"

step "stop"
kill -TERM $daemon
wait $daemon
status=$?
daemon=
[ $status -eq 0 ] || fail "the daemon left with status $status"
echo "demo: ok"
