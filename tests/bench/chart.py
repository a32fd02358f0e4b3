# SPDX-License-Identifier: Apache-2.0
"""Bar charts of benchmark results as SVG, with nothing but strings."""
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
