#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench.sh BUILD NAME [ARGS] - the benchmarks behind ./dev bench. Results as JSON in BUILD/bench.
set -u
build=$1
name=${2:-}
shift $(($# > 1 ? 2 : 1))
cd "$(dirname "$0")" || exit 2
mkdir -p "$build/bench"

venv() {
    local v=$build/venv-bench
    if [ ! -f "$v/.ready" ] || [ bench.sh -nt "$v/.ready" ]; then
        echo "making a Python environment for the peers ($v)"
        python3 -m venv "$v" && "$v/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 onnx==1.22.0 onnxruntime==1.32.0 openvino==2026.4.1 && touch "$v/.ready" || exit 1
    fi
    python=$v/bin/python
}

# Models: a folder of .onnx files in MS_BENCH_MODELS; else the ones a script beside the checkout makes;
# else the bundled model alone.
models_dir() {
    dir=${MS_BENCH_MODELS:-$build/bench/models}
    if [ -n "${MS_BENCH_MODELS:-}" ] || ls "$dir"/*.onnx >/dev/null 2>&1; then return; fi
    mkdir -p "$dir"
    local maker=../../../shared/oracle/bench_models.py
    if [ -f "$maker" ]; then
        "$python" "$maker" "$dir" || exit 1
    else
        cp ../../examples/fashion_cnn/fashion_cnn.onnx "$dir/"
    fi
}

case "$name" in
    models) venv; models_dir; exec "$python" models.py "$build/libmindserve.so" "$build/bench/models.json" "$dir" "$@" ;;
    load) venv; models_dir; exec "$python" load.py "$build/libmindserve.so" "$build/bench/load.json" "$dir" "$@" ;;
    roofline) venv; models_dir; exec "$python" roofline.py "$build/msctl" "$build/bench/roofline.json" "$dir" "$@" ;;
    throughput) venv; models_dir; exec "$python" throughput.py "$build" "$build/bench/throughput.json" "$dir" "$@" ;;
    ops) venv; exec "$python" ops.py "$build/libmindserve.so" "$build/bench/ops.json" "$@" ;;
    conv) make -C "$build" bench_conv >/dev/null && exec "$build/bench_conv" --json "$build/bench/conv.json" "$@" ;;
    gemm) make -C "$build" bench_gemm >/dev/null && exec "$build/bench_gemm" "$build/bench/gemm.json" "$@" ;;
    push) exec "$build/venv/bin/python" push.py "$build/bench/push.json" "$@" ;;
    latency) exec ./latency.sh "$build" "$@" ;;
    *) echo "./dev bench models [NAME...] [--threads 1,2] | load [NAME...] | roofline [NAME...] [--threads N] | throughput [NAME...] [--workers N] [--clients N] | ops [NAME...] | conv | gemm [--threads N] [--huge N] | push [MODEL] | latency" >&2; exit 2 ;;
esac
