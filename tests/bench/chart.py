# SPDX-License-Identifier: Apache-2.0
"""Charts of benchmark results as SVG, with nothing but strings."""
import math
from xml.sax.saxutils import escape

COLOUR = {"onnxruntime": "#4c78a8", "openvino": "#f58518"}


def ratios(rows, cpu):
    """Bars of each model and thread count, one a peer: how many times as fast mindserve is. The line is 1."""
    labels = sorted({p for r in rows for p in r["peers"]})
    top = max([p["q3"] for r in rows for p in r["peers"].values()] + [1.5])
    left, width, bar, gap, head = 150, 560, 11, 9, 64
    scale, y = width / top, head
    out = []
    for r in rows:
        text_y = y + bar * len(labels) / 2 + 4
        out.append(f'<text x="{left - 8}" y="{text_y:.1f}" text-anchor="end">{escape(r["model"])}, {r["threads"]}T</text>')
        for label in labels:
            p = r["peers"].get(label)
            if p:
                mid = y + bar / 2 - 0.5
                out.append(f'<rect x="{left}" y="{y}" width="{p["ratio"] * scale:.1f}" height="{bar - 1}" fill="{COLOUR.get(label, "#888")}"/>')
                out.append(f'<line x1="{left + p["q1"] * scale:.1f}" x2="{left + p["q3"] * scale:.1f}" y1="{mid}" y2="{mid}" stroke="#222"/>')
                out.append(f'<text x="{left + max(p["ratio"], p["q3"]) * scale + 5:.1f}" y="{y + bar - 2}" font-size="9">{p["ratio"]:.2f}</text>')
            y += bar
        y += gap
    legend = "".join(f'<rect x="{left + 150 * k}" y="36" width="10" height="10" fill="{COLOUR.get(n, "#888")}"/>'
                     f'<text x="{left + 150 * k + 15}" y="45">over {escape(n)}</text>' for k, n in enumerate(labels))
    one = left + scale
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 60}" height="{y + 10}" font-family="sans-serif" font-size="11">'
            f'<rect width="100%" height="100%" fill="white"/>'
            f'<text x="{left}" y="20" font-size="13">times as fast as the peer, f32, same run ({escape(cpu)})</text>{legend}'
            f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{head - 6}" y2="{y}" stroke="#c00" stroke-dasharray="3 3"/>{"".join(out)}</svg>\n')


MODEL = ["#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2"]


def roofline(models, peak, memory, title):
    """A dot for each layer: operations for a byte from memory, against GF/s. models: name to a list of (operations, bytes,
    GF/s, whether the algorithm has fewer products than it is counted for). Roofs: the peak and the memory's bandwidth."""
    left, top, width, height = 70, 70, 640, 400
    dots = [d for layers in models.values() for d in layers]
    x0, x1 = (f(math.log10(d[0] / d[1]) for d in dots) for f in (min, max))
    y0 = min(math.log10(d[2]) for d in dots)
    y1 = max([math.log10(peak)] + [math.log10(d[2]) for d in dots]) + 0.1
    x0, x1, y0 = x0 - 0.1, x1 + 0.1, y0 - 0.1

    def at(x, y):
        return left + (x - x0) / (x1 - x0) * width, top + (y1 - y) / (y1 - y0) * height

    def line(a, b, style):
        (ax, ay), (bx, by) = at(*a), at(*b)
        return f'<line x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" {style}/>'

    grid, out = 'stroke="#ddd"', []
    for k in range(math.floor(x0), math.ceil(x1)):
        for m in (1, 2, 5):
            v = k + math.log10(m)
            if x0 <= v <= x1:
                out.append(line((v, y0), (v, y1), grid))
                out.append(f'<text x="{at(v, 0)[0]:.1f}" y="{top + height + 16}" text-anchor="middle">{m * 10.0 ** k:g}</text>')
    for k in range(math.floor(y0), math.ceil(y1)):
        for m in (1, 2, 5):
            v = k + math.log10(m)
            if y0 <= v <= y1:
                out.append(line((x0, v), (x1, v), grid))
                out.append(f'<text x="{left - 6}" y="{at(0, v)[1] + 4:.1f}" text-anchor="end">{m * 10.0 ** k:g}</text>')
    p, b = math.log10(peak), math.log10(memory)
    ridge, roof = p - b, 'stroke="#c00" stroke-width="1.5"'
    if x0 < ridge:
        start = max(x0, y0 - b)
        out.append(line((start, start + b), (min(ridge, x1), min(ridge, x1) + b), roof))
        x, y = at(start, start + b)
        out.append(f'<text x="{x + 6:.1f}" y="{y - 10:.1f}" fill="#c00" transform="rotate({-math.degrees(math.atan(height / (y1 - y0) * (x1 - x0) / width)):.1f} {x + 6:.1f} {y - 10:.1f})">memory, {memory:.1f} GB/s</text>')
    out.append(line((max(x0, ridge), p), (x1, p), roof))
    x, y = at(max(x0, ridge), p)
    out.append(f'<text x="{x + 4:.1f}" y="{y - 6:.1f}" fill="#c00">peak of multiply-adds, {peak:.0f} GF/s</text>')
    for k, (name, layers) in enumerate(models.items()):
        colour = MODEL[k % len(MODEL)]
        for ops, size, rate, fewer in layers:
            x, y = at(math.log10(ops / size), math.log10(rate))
            fill = f'fill="white" stroke="{colour}" stroke-width="1.8"' if fewer else f'fill="{colour}" fill-opacity="0.75" stroke="{colour}"'
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {fill}/>')
        out.append(f'<circle cx="{left + 8 + 130 * k}" cy="46" r="4" fill="{colour}"/><text x="{left + 17 + 130 * k}" y="50">{escape(name)}</text>')
    out.append(f'<circle cx="{left + 8 + 130 * len(models)}" cy="46" r="4" fill="white" stroke="#444" stroke-width="1.8"/>'
               f'<text x="{left + 17 + 130 * len(models)}" y="50">tiles with fewer products (Winograd)</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 30}" height="{top + height + 50}" font-family="sans-serif" font-size="11">'
            f'<rect width="100%" height="100%" fill="white"/><text x="{left}" y="22" font-size="13">{escape(title)}</text>'
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#888"/>{"".join(out)}'
            f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">operations for a byte of weights, input and output</text>'
            f'<text x="18" y="{top + height / 2}" text-anchor="middle" transform="rotate(-90 18 {top + height / 2})">GF/s, products counted as the definition has them</text></svg>\n')
