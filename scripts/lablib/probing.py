"""Connections between pods: one, or all of them at once."""
import os
import subprocess

from .cluster import WORLD_IP6S, WORLD_IPS
from .parts import node_ip6, vtep
from .system import LabError

MAX_NAME_COLUMNS = 9
RESULTS = {"allowed": ("+", "32"), "denied": ("-", "31"), "rejected": ("x", "33"),
           "misdirected": ("!", "35"), "unsupported": ("?", "33")}


class Place:
    """Somewhere that can knock or be knocked at."""

    def __init__(self, name, netns, ips, ports=()):
        self.name, self.netns, self.ips, self.ports = name, netns, ips, ports

    def ip(self, family=None):
        """The first address of family 4 or 6, of any for None; None if there is none."""
        return next((ip for ip in self.ips if not family or (":" in ip) == (family == 6)), None)


def pod_places(inst):
    return [Place(f"{p['namespace']}/{p['name']}", inst.pod_netns(p["namespace"], p["name"]),
                  p["ips"], p["ports"])
            for _, p in sorted(inst.pods().items()) if p.get("ips")]


def find_place(inst, name):
    """A pod "NS/NAME", "world", or a node."""
    places = {p.name: p for p in pod_places(inst)}
    places["world"] = Place("world", inst.netns("world"), WORLD_IPS + WORLD_IP6S)
    for node in inst.nodes():
        places[node] = Place(node, inst.netns(node), [vtep(node), node_ip6(node)])
    if name not in places:
        raise LabError(f"no \"{name}\" here; there are: {', '.join(places)}", 3)
    return places[name]


def parse_port(text):
    """"80", "80/TCP", "53/udp" to ("tcp", 80)."""
    number, _, protocol = text.partition("/")
    protocol = (protocol or "TCP").lower()
    if not number.isdigit() or int(number) > 65535 or protocol not in ("tcp", "udp", "sctp"):
        raise LabError(f"\"{text}\" is not PORT or PORT/TCP, PORT/UDP, PORT/SCTP", 3)
    return protocol, int(number)


def format_port(protocol, number):
    return f"{number}/{protocol.upper()}"


# --- probing ---------------------------------------------------------------


def common_family(source, to):
    """That of the destination's first address which the source has too; None if there is
    none."""
    return next((6 if ":" in ip else 4 for ip in to.ips
                 if source.ip(6 if ":" in ip else 4)), None)


def probe(inst, tries, timeout, family=None):
    """tries: [(from, to, (protocol, port))] of places; all run at once, one prober per
    source, to the destination's first address of 'family', or that the source can speak
    to.  Returns [(result, answering name or None)] in the same order."""
    by_source = {}
    for i, (source, to, (protocol, port)) in enumerate(tries):
        ip = to.ip(family or common_family(source, to)) or to.ip(family)
        if not ip:
            raise LabError(f"{to.name} has no IPv{family} address", 3)
        by_source.setdefault(source.netns, []).append(f"{i} {protocol} {ip} {port}\n")
    probers = []
    for netns, lines in by_source.items():
        prober = subprocess.Popen(
            [inst.program("labpod"), f"--netns=/run/netns/{netns}", "probe",
             str(int(timeout * 1000))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        prober.stdin.write("".join(lines))
        prober.stdin.close()
        prober.stdin = None
        probers.append(prober)
    results = [None] * len(tries)
    for prober in probers:
        out, err = prober.communicate()
        if prober.returncode:
            raise LabError(err.strip() or "a prober failed", 3)
        for line in out.splitlines():
            index, result, answer = line.split()
            expected = tries[int(index)][1].name
            if answer not in ("-", expected) and "/" in answer:
                result = "misdirected"  # Somebody else answered: never fine.
            results[int(index)] = (result, None if answer == "-" else answer)
    return results


def connect(inst, source, to, port, timeout, family=None):
    return probe(inst, [(find_place(inst, source), find_place(inst, to), parse_port(port))],
                 timeout, family)[0]


def matrix(inst, ports, timeout, family=None):
    """{"PORT/PROTO": {"ns/from": {"ns/to": result}}}; ports None: each pod's own.  With
    'family', pods that have no address of it are left out."""
    places = [p for p in pod_places(inst) if p.ip(family)]
    wanted = [parse_port(p) for p in ports] if ports else None
    tries = [(source, to, port) for source in places for to in places
             for port in wanted or _own_ports(to)]
    cells = {}
    for (source, to, port), (result, _) in zip(tries, probe(inst, tries, timeout, family)):
        cells.setdefault(format_port(*port), {}).setdefault(source.name, {})[to.name] = result
    return dict(sorted(cells.items(), key=lambda item: int(item[0].partition("/")[0])))


def _own_ports(place):
    return [(p.partition(":")[0], int(p.partition(":")[2])) for p in place.ports]


# --- printing ----------------------------------------------------------------


def format_matrix(cells, colour):
    """Rows are sources, columns are destinations with their ports; one table if it
    is narrow, else one a port with numbers for columns."""
    columns = sorted({(to, port) for port, rows in cells.items()
                      for row in rows.values() for to in row},
                     key=lambda c: (c[0], int(c[1].partition("/")[0]), c[1]))
    if not columns:
        return "no pod with a port to probe"
    sources = sorted({source for rows in cells.values() for source in rows})
    if len(columns) <= MAX_NAME_COLUMNS:
        heads = [f"{to}:{port.removesuffix('/TCP')}" for to, port in columns]
        return "\n".join(_table("from", cells, sources, columns, heads, 10, colour))
    tables = [_table(port, cells, sources, [c for c in columns if c[1] == port], None, 1, colour)
              for port in cells]
    return "\n".join([*(line for table in tables for line in [*table, ""]),
                      "+ allowed   - denied   x rejected   . itself"])


def _table(title, cells, sources, columns, heads, narrowest, colour):
    """Without 'heads', rows and columns are numbered."""
    names = sources
    if not heads:
        number = {name: str(i + 1) for i, name in enumerate(sources)}
        heads = [number.get(to, to) for to, _ in columns]
        names = [f"{number[s]:>3} {s}" for s in sources]
    widths = [max(len(h), narrowest) for h in heads]
    left = max(len(n) for n in [*names, title])
    lines = ["  ".join([f"{title:<{left}}", *(f"{h:<{w}}" for h, w in zip(heads, widths))])]
    for name, source in zip(names, sources):
        row = [_cell(cells[port].get(source, {}).get(to), to == source, narrowest > 1, width,
                     colour) for (to, port), width in zip(columns, widths)]
        lines.append("  ".join([f"{name:<{left}}", *row]))
    return [line.rstrip() for line in lines]


def _cell(result, itself, in_words, width, colour):
    if result is None:
        return " " * width
    sign, code = RESULTS[result]
    text = "." if itself else result if in_words else sign
    padded = f"{text:<{width}}"
    return f"\033[{code}m{padded}\033[0m" if colour and not itself else padded


def want_colour(stream):
    return stream.isatty() and "NO_COLOR" not in os.environ
