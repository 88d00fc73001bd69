"""Figures as a table, on a terminal and in Markdown.

Figures are medians of all runs.  A ratio is the median of the runs' own ratios: peers are
measured one after the other, and what the machine did in that minute it did to both."""
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line: the figure 'key' of each peer, and how virga's relates to the others'.

    aim: what virga's should be: ("<=", 2) a plain number, ("<=", 1.3, "raw") that many
    times the figure of a peer, or of another figure of a peer: ("<=", .01, "ovn", "p50_ms").
    ("<=", 1.2, "virga", "few", "ct"): both are taken as multiples of what ct had beside them.
    All aims of a row must hold."""
    key: str
    unit: str
    title: str = ""
    aims: tuple = ()

    @property
    def label(self):
        return self.title or self.key

    @property
    def more_is_better(self):
        return any(aim[0] == ">=" for aim in self.aims)


def number(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _figures(result, peer, key):
    """One for each run."""
    runs = (result.get("runs") or {}).get(peer) or [result.get(peer) or {}]
    return [figures.get(key) for figures in runs]


def _times(result, key, peer, other):
    """How many times virga's figure is that of a peer, run by run; empty: cannot be said."""
    ours, theirs = _figures(result, "virga", key), _figures(result, peer, other)
    if len(ours) != len(theirs):
        return []
    return [a / b for a, b in zip(ours, theirs) if a is not None and b]


def _measure(aim, result, key):
    """What 'aim' compares with its number; None: cannot be said."""
    peer, other, beside = (*aim[2:], None, None, None)[:3]
    if not peer:
        return (result.get("virga") or {}).get(key)
    times = _times(result, key, peer, other or key)
    if beside:
        here, there = _times(result, key, beside, key), _times(result, other, beside, other)
        times = [a / b for a, b in zip(here, there) if b]
    return statistics.median(times) if times else None


def _verdict(row, result):
    words = []
    for aim in row.aims:
        value = _measure(aim, result, row.key)
        if value is None:
            continue
        met = value <= aim[1] if aim[0] == "<=" else value >= aim[1]
        limit = f"{number(aim[1])}x {' '.join(aim[2:4])}" if aim[2:] else number(aim[1])
        words.append(f"{aim[0]} {limit} {'met' if met else 'MISSED'}")
    return ", ".join(words)


def _ratio(row, result, peer):
    times = [t for t in _times(result, row.key, peer, row.key) if t]
    return f"{number(1 / statistics.median(times))}x" if times else ""


def lines(workload, result):
    """Cells of a workload's table, its head first."""
    others = [p for p in workload.PEERS if p != "virga"]
    head = [workload.NAME, "unit", "virga", "worst"]
    for peer in others:
        head += [peer, f"{peer}/virga"]
    rows = [[*head, "aim"]]
    worst = (result.get("worst") or {}).get("virga") or {}
    for row in workload.ROWS:
        cells = [row.label, row.unit, number((result.get("virga") or {}).get(row.key)),
                 number(worst.get(row.key))]
        for peer in others:
            cells += [number((result.get(peer) or {}).get(row.key)), _ratio(row, result, peer)]
        rows.append([*cells, _verdict(row, result)])
    return [r for r in rows if any(c for i, c in enumerate(r) if i > 1)]


def print_table(workload, result):
    rows = lines(workload, result)
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    print(f"\n{workload.NAME} {workload.TITLE}")
    for i, r in enumerate(rows):
        print("  " + "  ".join(c.ljust(w) if j in (0, 1, len(r) - 1) else c.rjust(w)
                               for j, (c, w) in enumerate(zip(r, widths))).rstrip())
        if not i:
            print("  " + "-" * (sum(widths) + 2 * len(widths) - 2))


def markdown(workload, result):
    rows = lines(workload, result)
    text = [f"### {workload.NAME} {workload.TITLE}", ""]
    text.append("| " + " | ".join(["figure", *rows[0][1:]]) + " |")
    text.append("|" + "---|" * len(rows[0]))
    text += ["| " + " | ".join(r) + " |" for r in rows[1:]]
    return "\n".join([*text, ""])
