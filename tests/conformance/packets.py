"""Packets of connections, from end to end over the flows of all nodes."""
import re

from families import is_ip6, origin, twin
from switch import FIRST_POD, GATEWAY, TUNNEL
from walk import DROP, DROPS, ISOLATE, MACS, RULE, TABLE_NAMES

ALLOWED, NO_EGRESS, NO_INGRESS = ".", "E", "I"

# Packets of a connection, with the state that conntrack would give them.
FIRST, LATER, REPLY, ERROR = "first packet", "later packet", "reply", "ICMP error in reply"
STATES = {FIRST: "trk,new", LATER: "trk,est", REPLY: "trk,est,rpl", ERROR: "trk,rel,rpl"}


class Place:
    """Where an address is: a bridge and a port on it."""

    def __init__(self, bridge, port, mac):
        self.bridge, self.port, self.mac = bridge, port, mac


class Map:
    """Where everything is.  'pods': (namespace, name, address, node) of each
    pod with a port; 'nodes': addresses by name; the rest is the world.  Ports
    are numbered as "virgactl flows" does."""

    def __init__(self, pods, nodes):
        names = sorted(nodes)
        self.places, self.nodes = {}, {}
        for i, name in enumerate(names):
            self.nodes[nodes[name]] = i
            self.put(nodes[name], Place(i, GATEWAY, MACS["gateway"]))
            here = sorted((pod for pod in pods if pod[3] == name),
                          key=lambda pod: f"{pod[0]}/{pod[1]}")
            for j, (_, _, address, _) in enumerate(here):
                mac = "02:56:" + ":".join(f"{int(part):02x}" for part in origin(address).split("."))
                self.put(origin(address), Place(i, FIRST_POD + j, mac))

    def put(self, address, place):
        """Its twin is there too, if it has one (families.py)."""
        self.places[address] = self.places[twin(address)] = place

    def entry(self, source, destination):
        """The world comes in where the destination is, and leaves likewise."""
        if source in self.places:
            return self.places[source]
        return Place(self.places[destination].bridge, GATEWAY, MACS["gateway"])

    def exit(self, source, destination):
        if destination in self.places:
            return self.places[destination]
        return Place(self.places[source].bridge, GATEWAY, MACS["gateway"])


LAST_TABLE = re.compile(r"^ ?(\d+)\. (.*)$", re.M)
COOKIE = re.compile(r"cookie 0x([0-9a-f]+)")
OUTPUT = re.compile(r"^ +-> output port is (\d+)$", re.M)
FIELDS = {name: re.compile(rf",{name}=([^,\n]*)")
          for name in ("tun_dst", "dl_src", "dl_dst", "nw_ttl")}
# A packet that the agent gets; the third byte says what for (virga/userdata.h).
USERDATA = re.compile(r"userdata=56\.01\.([0-9a-f]{2})\.")
REJECTED = 1
KEY = re.compile(r"NXM_NX_TUN_ID\[0\.\.23\] is now (\w+)")


class Trace:
    """One pass over one bridge."""

    def __init__(self, text):
        # All that matters comes after conntrack, if it went through that.
        text = text[max(text.rfind("\nrecirc("), 0):]
        number, match = LAST_TABLE.findall(text)[-1]
        cookie = COOKIE.search(match)
        ports = OUTPUT.findall(text)
        keys = KEY.findall(text)
        self.table = TABLE_NAMES[int(number)]
        self.cookie = int(cookie[1], 16) if cookie else 0
        self.port = int(ports[-1]) if ports else None
        self.times = len(ports)
        self.final = text[text.rindex("\nFinal flow: "):]
        self.key = keys[-1] if keys else None
        self.rejected = any(int(bits, 16) & REJECTED for bits in USERDATA.findall(text))

    def field(self, name):
        match = FIELDS[name].search(self.final)
        return match and match[1]

    def drop(self):
        """The letter of a policy's drop, words for any other."""
        feature, number = self.cookie >> 48 & 0xff, self.cookie & 0xffffffff
        direction, _, tier = self.table.partition("_")
        if direction in ("egress", "ingress") and feature == (ISOLATE if tier == "np" else RULE):
            mark = NO_EGRESS if direction == "egress" else NO_INGRESS
            return mark.lower() if self.rejected else mark
        if feature == DROP:
            return f"dropped ({DROPS[number]} in {self.table})"
        return f"dropped (in {self.table})"


class Packet:
    """One packet of the connection that a cell stands for: (source,
    destination, protocol, port); a reply goes the other way."""

    def __init__(self, cell, kind):
        self.kind, self.protocol, self.service = kind, cell[2], cell[3]
        self.back = kind in (REPLY, ERROR)
        self.source, self.destination = (cell[1], cell[0]) if self.back else cell[:2]
        self.state = STATES[kind]
        self.ip6 = is_ip6(self.source)

    def icmp(self):
        if self.ip6:
            number, code = (1, 4) if self.kind == ERROR else (129 if self.back else 128, 0)
            return f"icmp6,icmpv6_type={number},icmpv6_code={code}"
        number, code = (3, 1) if self.kind == ERROR else (0 if self.back else 8, 0)
        return f"icmp,icmp_type={number},icmp_code={code}"

    def transport(self):
        if self.kind == ERROR or self.protocol == "ICMP":
            return self.icmp()
        ports = (self.service, 40000) if self.back else (40000, self.service)
        name = self.protocol.lower()
        return f"{name}{'6' if self.ip6 else ''},{name}_src={ports[0]},{name}_dst={ports[1]}"

    def network(self):
        field = "ipv6" if self.ip6 else "nw"
        return f"{self.transport()},{field}_src={self.source},{field}_dst={self.destination}"

    def sent(self, where):
        """What to trace first: bridge, flow, state."""
        entry = where.entry(self.source, self.destination)
        return (entry.bridge, f"in_port={entry.port},dl_src={entry.mac},"
                              f"dl_dst={MACS['router']},{self.network()},nw_ttl=64", self.state)

    def tunnelled(self, where, trace):
        """What the other node gets of it."""
        entry = where.entry(self.source, self.destination)
        sender = next(a for a, i in where.nodes.items() if i == entry.bridge)
        receiver = trace.field("tun_dst")
        return (where.nodes[receiver],
                f"in_port={TUNNEL},tun_src={sender},tun_dst={receiver},tun_id={trace.key},"
                f"dl_src={trace.field('dl_src')},dl_dst={trace.field('dl_dst')},"
                f"{self.network()},nw_ttl={trace.field('nw_ttl')}", self.state)


def outcome(where, packet, bridge, trace):
    """'.', or why not."""
    if trace.port is None:
        return trace.drop()
    to = where.exit(packet.source, packet.destination)
    if (bridge, trace.port, trace.times) != (to.bridge, to.port, 1):
        return (f"went to port {trace.port} of bridge {bridge}, {trace.times} times, "
                f"not to {to.port} of {to.bridge}")
    source, ttl = trace.field("dl_src"), trace.field("nw_ttl")
    if source != MACS["router"] or ttl != "63":
        return f"arrived from {source} with TTL {ttl}"
    if to.port >= FIRST_POD and trace.field("dl_dst") != to.mac:
        return f"arrived for {trace.field('dl_dst')}, not {to.mac}"
    return ALLOWED


def send(switch, where, cells, kind=FIRST):
    """What becomes of each of 'cells'."""
    made = [Packet(cell, kind) for cell in cells]
    firsts = [packet.sent(where) for packet in made]
    traces = [Trace(text) for text in switch.trace(firsts)]
    bridges = [first[0] for first in firsts]
    crossing = [i for i, trace in enumerate(traces) if trace.port == TUNNEL]
    seconds = [made[i].tunnelled(where, traces[i]) for i in crossing]
    for i, second, text in zip(crossing, seconds, switch.trace(seconds)):
        traces[i], bridges[i] = Trace(text), second[0]
    return [outcome(where, *one) for one in zip(made, bridges, traces)]
