#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# models.sh BUILD - whole models and single operators with recorded outputs, through `msctl test`.
# The bundled cases always; more where a folder of them is at hand (MS_MODELS, else ../shared/models)
# and Debian's libonnx-testdata. Prints PASS, FAIL and SKIP lines.
build=$1
more=${MS_MODELS:-../shared/models}
onnx=/usr/share/libonnx-testdata/data

cases() { # DIR [OPTION...]
    if [ ! -d "$1" ]; then
        echo "SKIP $1: not on this machine"
        return
    fi
    "$build/msctl" test "$@" 2>&1 | grep -E '^(PASS|FAIL|SKIP) '
}

cases tests/data
cases "$more/mindspore"

cases "$more/onnx" --bound-list tests/model-bounds.txt
for section in node pytorch-converted pytorch-operator simple; do
    cases "$onnx/$section" --skip-list tests/onnx-skip.txt
done
[ -d "$more/mindir" ] || echo "SKIP $more/mindir: not on this machine"
for f in "$more"/mindir/*.mindir; do
    [ -f "$f" ] || continue
    if out=$("$build/msctl" check "$f" 2>&1); then echo "PASS check $f"; else echo "FAIL check $f: $out"; fi
done
exit 0
