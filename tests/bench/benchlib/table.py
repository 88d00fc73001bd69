"""Figures as a table, on a terminal and in Markdown."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line: the figure 'key' of each peer, and how virga's relates to the others'.

    aim: what virga's should be: ("<=", 2) a plain number, ("<=", 1.3, "raw") that many
    times the figure of a peer, or of another figure of a peer: ("<=", .01, "ovn", "p50_ms").
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


def _limit(aim, result, key):
    """The number that 'aim' stands for here; None if its peer was not measured."""
    factor, *where = aim[1:]
    if not where:
        return factor
    value = (result.get(where[0]) or {}).get(where[1] if len(where) > 1 else key)
    return None if value is None else factor * value


def _verdict(row, result):
    ours = (result.get("virga") or {}).get(row.key)
    words = []
    for aim in row.aims:
        limit = _limit(aim, result, row.key)
        if limit is None or ours is None:
            continue
        met = ours <= limit if aim[0] == "<=" else ours >= limit
        words.append(f"{aim[0]} {number(limit)} {'met' if met else 'MISSED'}")
    return ", ".join(words)


def _ratio(row, result, peer):
    ours = (result.get("virga") or {}).get(row.key)
    theirs = (result.get(peer) or {}).get(row.key)
    if peer == "virga" or not ours or not theirs:
        return ""
    return f"{number(theirs / ours)}x"


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
