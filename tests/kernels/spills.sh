#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# spills.sh - the inner loops of micro-kernels keep everything in registers.
#
# Disassembles an object and looks at the innermost loop with products of each tile (a jump back
# that spans no other such loop) for an operand on the stack. A sum that lives there costs a load and a
# store for each product. A loop over several steps may fetch addresses from there, once for all of
# its products. Skipped, with the reason, where that says nothing.
object=${1:-kernels/conv_tile.o}
skip() {
    echo "SKIP spills: $1"
    exit 77
}
case " ${CFLAGS--O2} " in *" -O0 "* | *" -Og "*) skip "not optimised" ;; *" -O"*) ;; *) skip "not optimised" ;; esac
command -v objdump >/dev/null || skip "objdump is not installed"
[ -f "$object" ] || skip "$object is not there"
objdump -t "$object" | grep -q '__asan\|__ubsan\|__tsan\|__msan\|__gcov\|__llvm' && skip "the object is instrumented"
objdump -d --no-show-raw-insn "$object" | awk '
function products(i,   j, sum) {
    for (j = 0; j < n; j++)
        if (at[j] >= from[i] && at[j] <= to[i] && text[j] ~ /vfn?m|vpdp|vpmadd/)
            sum++
    return sum + 0
}
function on_stack(line) {
    return line ~ /\(%rsp/ || (frame && line ~ /\(%rbp/)
}
# of a step: the pixels times the vectors in the name
function step(   size) {
    match(name, /_[0-9]+x[0-9]+/)
    split(substr(name, RSTART + 1, RLENGTH - 1), size, "x")
    return size[1] * size[2]
}
function finish(   i, j, inner) {
    if (wanted && n <= 3 && text[0] text[1] ~ /jmp/) # the same code as another tile: it goes there
        tiles--
    for (i = 0; i < loops; i++)
        useful[i] = products(i)
    for (i = 0; i < loops; i++) {
        inner = useful[i]
        for (j = 0; j < loops; j++)
            if (useful[j] && from[j] >= from[i] && to[j] <= to[i] && to[j] - from[j] < to[i] - from[i])
                inner = 0
        if (!inner)
            continue
        seen++
        for (j = 0; j < n; j++)
            if (at[j] >= from[i] && at[j] <= to[i] && on_stack(text[j]) && (useful[i] <= step() || text[j] ~ /[xyz]mm/)) {
                print "FAIL spills: " name " " text[j]
                failed++
            }
    }
}
# strtonum is not in every awk
function hex(s,   i, v) {
    for (i = 1; i <= length(s); i++)
        v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
    return v
}
/^[0-9a-f]+ <.*>:$/ {
    finish()
    name = $2
    n = loops = frame = 0
    wanted = name ~ /(tile|whole|edge|pair|plain|listed)_[0-9]+x[0-9]/
    tiles += wanted
    next
}
wanted && /^ *[0-9a-f]+:/ {
    split($1, a, ":")
    at[n] = hex(a[1])
    text[n] = $0
    if ($0 ~ /mov +%rsp,%rbp/)
        frame = 1
    if ($2 ~ /^j/ && $3 ~ /^[0-9a-f]+$/ && hex($3) <= at[n]) {
        from[loops] = hex($3)
        to[loops++] = at[n]
    }
    n++
}
END {
    finish()
    if (!tiles || seen < tiles) {
        print "FAIL spills: " seen + 0 " inner loops in " tiles + 0 " tiles: the check no longer sees them"
        exit 1
    }
    if (failed)
        exit 1
    print "PASS spills: " seen " inner loops of " tiles " tiles"
}'
