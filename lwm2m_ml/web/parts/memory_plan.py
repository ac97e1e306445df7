"""A memory plan as a picture: steps from left to right, addresses from bottom to top, one rectangle per buffer."""

from html import escape

from lwm2m_ml.client.schemas import Explanation

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 960, 320, 64, 30, 12
COLOURS = ("#4e79a7", "#b5651d", "#3f8f4a", "#8f5a87", "#4a8a86", "#8a7a1f", "#c2474a", "#7d6150")
LEAST_LABELLED = 34
"""Pixels of width below which a rectangle has no room for its size."""


def memory_plan(explanation: Explanation) -> str:
    """Draw the arena of a module as SVG; each rectangle has a title with its name, place and layers."""
    steps = max(1, len(explanation.layers))
    column = (WIDTH - LEFT - 8) / (steps + 1)
    scale = (HEIGHT - BOTTOM - TOP) / max(1, explanation.arena_bytes)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" font-family="sans-serif" font-size="12" '
        f'aria-label="Memory plan: {len(explanation.buffers)} buffers in {explanation.arena_bytes:,} bytes">'
    ]
    for step in range(steps + 1):
        x = LEFT + column * (step + 0.5)
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT - 10}" text-anchor="middle" fill="#37424d">{step or "in"}</text>')
    for share in range(5):
        value = explanation.arena_bytes * share // 4
        y = HEIGHT - BOTTOM - value * scale
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#c9d1d9"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#37424d">{value:,}</text>')
    for number, buffer in enumerate(sorted(explanation.buffers, key=lambda one: (one.first_use, one.name))):
        x, width = LEFT + column * buffer.first_use, column * (buffer.last_use - buffer.first_use + 1)
        height = buffer.bytes * scale
        y = HEIGHT - BOTTOM - (buffer.offset + buffer.bytes) * scale
        end = buffer.offset + buffer.bytes
        title = f"{buffer.name}: bytes {buffer.offset:,} to {end:,}, steps {buffer.first_use} to {buffer.last_use}"
        parts.append(
            f'<g><title>{escape(title)}</title><rect x="{x + 1:.1f}" y="{y:.1f}" width="{max(1, width - 2):.1f}" '
            f'height="{max(1, height):.1f}" fill="{COLOURS[number % len(COLOURS)]}" stroke="#ffffff"/>'
        )
        if height >= 14 and width >= LEAST_LABELLED:
            parts.append(
                f'<text x="{x + width / 2:.1f}" y="{y + height / 2 + 4:.1f}" text-anchor="middle" fill="#ffffff">'
                f"{buffer.bytes:,}</text>"
            )
        parts.append("</g>")
    return "".join([*parts, "</svg>"])
