"""Bar charts as SVG, written by hand: a panel for each row of a benchmark, a bar for each implementation, the best on
top.

Bars are logarithmic where the worst is far from the best, because otherwise only the worst would be seen; the axis says
so. The thin line through the end of a bar goes from the least to the most of the rounds."""

import math
from xml.sax.saxutils import escape

WIDTH = 980
MARGIN = 24
PANEL_GAP = 28
BAR, BAR_STEP = 14, 19
LABEL_WIDTH, VALUE_WIDTH = 112, 92
FONT = "font-family=\"'Helvetica Neue', Helvetica, Arial, sans-serif\""
INK, FAINT, RULE = "#1f2933", "#66727f", "#e3e8ed"
# Ours are the two blues, what is written by hand is grey, peers are pale.
OURS = {"asyncio-uring": "#1b4f9c", "asyncio-epoll": "#2f7bd9", "asyncio-shared": "#6fa6e8", "asyncio-sim": "#9cc4f0"}
FLOOR, PEER = "#6b7680", "#c3ccd5"
# Above this ratio of the largest to the smallest a panel is logarithmic.
MOST_LINEAR = 12


def is_ours(impl):
    return impl.startswith("asyncio-")


def is_floor(impl):
    return impl == "bare" or impl.startswith("bare-")


def colour_of(impl):
    return OURS.get(impl, FLOOR if is_floor(impl) else PEER)


def text_of(value, unit):
    """A figure for people, three digits of it."""
    scales = {"ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns"), (1e-3, "ps")),
              "B": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
              "1/s": ((1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1, "/s"))}.get(unit, ((1, ""),))
    scale, name = next(((scale, name) for scale, name in scales if abs(value) >= scale), scales[-1])
    scaled = value / scale
    digits = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
    return f"{scaled:.{digits}f} {name}".strip()


def round_text_of(value, unit):
    """The same for the round numbers of an axis."""
    number, _, name = text_of(value, unit).partition(" ")
    return f"{float(number):g} {name}".strip()


def text(x, y, words, size=11, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" {FONT} font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{colour}"/>'


def line(x1, y1, x2, y2, colour, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


class Scale:
    """Maps figures to lengths, from zero or by powers of ten."""

    def __init__(self, rows, length):
        self.binary = rows[0]["unit"] == "B"
        least = min(row["median"] for row in rows)
        most = max(row["max"] for row in rows)
        self.length = length
        self.logarithmic = least > 0 and max(row["median"] for row in rows) / least > MOST_LINEAR
        self.most = max(most, 1e-9)
        # The shortest bar is still a bar.
        self.floor = 10 ** math.floor(math.log10(least / 1.5)) if self.logarithmic else 0

    def __call__(self, value):
        if not self.logarithmic:
            return max(value, 0) / self.most * self.length
        if value <= self.floor:
            return 0
        return math.log(value / self.floor) / math.log(self.most / self.floor) * self.length

    def ticks(self):
        if self.logarithmic:
            base = 8 if self.binary else 10
            first, last = math.floor(math.log(self.floor, base) + 1e-9) + 1, math.floor(math.log(self.most, base))
            return [float(base) ** power for power in range(first, last + 1)]
        # Memory goes by 1, 2, 4, everything else by 1, 2, 5.
        step = 2 ** math.floor(math.log2(self.most)) if self.binary else 10 ** math.floor(math.log10(self.most))
        parts = (step / 4, step / 2, step) if self.binary else (step / 5, step / 2, step, step * 2)
        step = next(part for part in parts if self.most / part <= 5)
        return [step * number for number in range(1, int(self.most / step) + 1)]


def panel_height(rows):
    return 30 + BAR_STEP * len(rows) + 18


def panel(rows, title, x, y, width):
    """One row of a benchmark: a bar for each implementation."""
    unit = rows[0]["unit"]
    rows = sorted(rows, key=lambda row: row["median"], reverse=unit == "1/s")
    scale = Scale(rows, width - LABEL_WIDTH - VALUE_WIDTH)
    left, top = x + LABEL_WIDTH, y + 26
    bottom = top + BAR_STEP * len(rows)
    parts = [text(x, y + 13, title, 13, weight="bold")]
    for tick in scale.ticks():
        at = left + scale(tick)
        parts += [line(at, top - 2, at, bottom, RULE),
                  text(at, bottom + 12, round_text_of(tick, unit), 9, FAINT, "middle")]
    if scale.logarithmic:
        parts.append(text(x, bottom + 12, "logarithmic", 9, FAINT))
    for number, row in enumerate(rows):
        impl, at = row["impl"], top + BAR_STEP * number
        weight = "bold" if is_ours(impl) else "normal"
        middle = at + BAR / 2
        parts += [text(left - 8, middle + 4, impl, 11, INK, "end", weight),
                  rectangle(left, at, max(scale(row["median"]), 1.5), BAR, colour_of(impl)),
                  line(left + scale(row["min"]), middle, left + scale(row["max"]), middle, "#39434d", 1.2),
                  text(left + scale(row["max"]) + 6, middle + 4, text_of(row["median"], unit), 11, INK, "start",
                       weight)]
    return parts


def chart(title, subtitle, panels, footer):
    """A whole file. `panels` is a list of (title, rows of the report); two stand side by side."""
    columns = 2 if len(panels) > 1 else 1
    width = (WIDTH - 2 * MARGIN - PANEL_GAP * (columns - 1)) / columns
    parts, y = [], 84
    for number in range(0, len(panels), columns):
        beside = panels[number:number + columns]
        for column, (words, rows) in enumerate(beside):
            parts += panel(rows, words, MARGIN + column * (width + PANEL_GAP), y, width)
        y += max(panel_height(rows) for _, rows in beside) + 18
    parts.append(text(MARGIN, y + 6, footer, 9, FAINT))
    y += 24
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">',
            f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
            text(MARGIN, 34, title, 19, weight="bold"), text(MARGIN, 54, subtitle, 11, FAINT),
            rectangle(MARGIN, 62, 10, 10, OURS["asyncio-epoll"]), text(MARGIN + 15, 71, "asyncio for C", 11, FAINT),
            rectangle(MARGIN + 104, 62, 10, 10, FLOOR), text(MARGIN + 119, 71, "written by hand", 11, FAINT),
            rectangle(MARGIN + 216, 62, 10, 10, PEER), text(MARGIN + 231, 71, "peers", 11, FAINT)]
    return "\n".join(head + parts + ["</svg>"]) + "\n"
