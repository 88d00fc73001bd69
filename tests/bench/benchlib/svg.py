"""Line charts as SVG: panels side by side, both axes logarithmic, so that what grows in
proportion is a slope of one and what does not grow is flat."""
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 230, 52, 74, 30, 40
COLOURS = {"virga": "#1f6feb", "ovn": "#d1570a", "raw": "#6e7781", "virga controller": "#8250df"}


def _text(x, y, words, size=11, anchor="middle", colour="#24292f", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}"{extra}>{words}</text>')


def _ticks(low, high):
    """Powers of ten, and 2 and 5 times these if there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if len(powers) > 4 else (1, 2, 5)
    ticks = [s * 10.0**p for p in powers for s in steps]
    return [t for t in ticks if low * 0.999 <= t <= high * 1.001]


def _label(value):
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


class _Scale:
    def __init__(self, values, first, last):
        low, high = min(values), max(values)
        if high / low < 4:  # A flat line stays in the middle.
            low, high = low / 2, high * 2
        self.low, self.high, self.first, self.last = low, high, first, last

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.first + share * (self.last - self.first)


def _spread(labels):
    """Moves labels apart that would cover each other: [(y, name)] sorted."""
    placed = []
    for y, name in sorted(labels):
        placed.append((max(y, placed[-1][0] + 12) if placed else y, name))
    return placed


def _panel(x0, title, x_title, series):
    series = {n: [(x, y) for x, y in points if y] for n, points in series.items()}
    series = {n: points for n, points in series.items() if points}
    xs = _Scale([x for p in series.values() for x, _ in p], x0 + LEFT, x0 + WIDTH - RIGHT)
    ys = _Scale([y for p in series.values() for _, y in p], HEIGHT - BOTTOM, TOP)
    out = [_text(x0 + LEFT, 18, title, 13, "start", extra=' font-weight="bold"')]
    for t in _ticks(ys.low, ys.high):
        y = ys.at(t)
        out.append(f'<line x1="{x0 + LEFT}" y1="{y:.1f}" x2="{x0 + WIDTH - RIGHT}" y2="{y:.1f}" '
                   'stroke="#d0d7de"/>')
        out.append(_text(x0 + LEFT - 6, y + 4, _label(t), 10, "end"))
    for x in sorted({x for p in series.values() for x, _ in p}):
        out.append(_text(xs.at(x), HEIGHT - BOTTOM + 16, _label(x), 10))
    out.append(_text(x0 + (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title))
    ends = []
    for name, points in series.items():
        colour = COLOURS.get(name, "#24292f")
        path = " ".join(f"{xs.at(x):.1f},{ys.at(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{xs.at(x):.1f}" cy="{ys.at(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in points]
        ends.append((ys.at(points[-1][1]) + 4, name))
    out += [_text(x0 + WIDTH - RIGHT + 8, y, name, 11, "start", COLOURS.get(name, "#24292f"))
            for y, name in _spread(ends)]
    return out


def chart(x_title, panels):
    """panels: [(title, {series: [(x, y)]})]; what is 0 or None is left out."""
    drawn = [(t, s) for t, s in panels if any(y for p in s.values() for _, y in p)]
    width = WIDTH * len(drawn)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
           f'viewBox="0 0 {width} {HEIGHT}" font-family="sans-serif">',
           f'<rect width="{width}" height="{HEIGHT}" fill="white"/>']
    for i, (title, series) in enumerate(drawn):
        out += _panel(i * WIDTH, title, x_title, series)
    return "\n".join([*out, "</svg>", ""])
