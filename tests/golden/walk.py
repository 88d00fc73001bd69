"""Packets through golden flows, by ofproto/trace in a private ovs-vswitchd.

The switch has dummy ports and no datapath of its own; one bridge per node.
"""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TUNNEL, GATEWAY, FIRST_POD = 1, 2, 100
RULE, ISOLATE, DROP = 0x06, 0x08, 0x02


def rows(name):
    """The rows of a .def file as lists of text."""
    with open(os.path.join(TOP, "ovs-flows", name), encoding="ascii") as file:
        return [[field.strip().strip('"') for field in row.split(",")]
                for row in re.findall(r"^[A-Z]+\((.*)\)$", file.read(), re.M)]


TABLES = {row[0]: int(row[1]) for row in rows("tables.def")}
TABLE_NAMES = {number: name for name, number in TABLES.items()}
DROPS = {int(row[1]): row[0] for row in rows("drops.def")}
MACS = {row[0]: row[1] for row in rows("macs.def")}
PORTS = {row[0]: (int(row[1]), row[2]) for row in rows("ports.def")}


def by_number(flows):
    """Table names as numbers, for an ovs-ofctl that has not met the switch."""
    return re.sub(r'(table[=:]|resubmit\(,)"?([a-z_]+)"?',
                  lambda m: m[1] + str(TABLES[m[2]]), flows)


class Switch:
    def __init__(self, records, flows):
        self.records, self.flows = records, flows
        self.bridges = {node: f"br{i}" for i, node in enumerate(records.node_names())}
        self.ports = {}

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="virga-golden-")
        self.env = dict(os.environ, **{f"OVS_{v}DIR": self.dir
                                       for v in ("RUN", "LOG", "DB", "SYSCONF")})
        try:
            self.start()
            for node in self.bridges:
                self.add_bridge(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            self.stop(daemon)
        shutil.rmtree(self.dir)

    def stop(self, daemon):
        """Ends a daemon and waits until it is gone."""
        try:
            with open(f"{self.dir}/{daemon}.pid", encoding="ascii") as file:
                pid = int(file.read())
            process = os.pidfd_open(pid)
        except (FileNotFoundError, ProcessLookupError):
            return
        os.kill(pid, signal.SIGTERM)
        select.select([process], [], [])
        os.close(process)

    def run(self, *command):
        done = subprocess.run(command, env=self.env, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stdout}")
        return done.stdout

    def start(self):
        database = f"{self.dir}/conf.db"
        detach = ("--detach", "--no-chdir", "--pidfile", f"--log-file={self.dir}/log",
                  "-vconsole:off", "-vsyslog:off")
        self.run("ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
        self.run("ovsdb-server", f"--remote=punix:{self.dir}/db.sock", *detach, database)
        self.run("ovs-vswitchd", f"unix:{self.dir}/db.sock", "--disable-system",
                 "--enable-dummy=override", *detach)

    def vsctl(self, *args):
        self.run("ovs-vsctl", f"--db=unix:{self.dir}/db.sock", *args)

    def add_bridge(self, node):
        bridge = self.bridges[node]
        pods = sorted(p for p in self.records.pods if self.records.node_of(p) == node)
        self.ports[node] = {pod: FIRST_POD + i for i, pod in enumerate(pods)}
        commands = ["add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=dummy",
                    "fail_mode=secure", "protocols=OpenFlow15"]

        def add(name, number, *options):
            commands.extend(["--", "add-port", bridge, name, "--", "set", "interface", name,
                             f"ofport_request={number}", *options])

        add(f"{bridge}t", TUNNEL, "type=vxlan", "options:remote_ip=flow", "options:key=flow")
        add(f"{bridge}g", GATEWAY, "type=dummy")
        patches = [(number, bridge + name) for number, name in PORTS.values()]
        for (number, name), (_, peer) in zip(patches, reversed(patches)):
            add(name, number, "type=patch", f"options:peer={peer}")
        for number in self.ports[node].values():
            add(f"{bridge}p{number}", number, "type=dummy")
        self.vsctl(*commands)
        path = f"{self.dir}/{bridge}.flows"
        with open(path, "w", encoding="utf-8") as file:
            file.write(by_number(self.flows[node]))
        self.run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", bridge, path)

    def trace(self, node, flow, states):
        args = []
        for state in states:
            args += ["--ct-next", state]
        with open(f"{self.dir}/ovs-vswitchd.pid", encoding="ascii") as file:
            control = f"{self.dir}/ovs-vswitchd.{file.read().strip()}.ctl"
        return Trace(self.run("ovs-appctl", "-t", control, "ofproto/trace", self.bridges[node],
                              flow, *args))


class Trace:
    """What matters of a trace's text."""

    def __init__(self, text):
        self.tables, self.cookies = [], []
        for line in text.splitlines():
            # Deeper lines belong to the copy that the matrix sends round.
            match = re.match(r" ?(\d+)\. (.*)$", line)
            if match:
                cookie = re.search(r"cookie 0x([0-9a-f]+)", match[2])
                self.tables.append(TABLE_NAMES[int(match[1])])
                self.cookies.append(int(cookie[1], 16) if cookie else 0)
        self.text = text
        ports = re.findall(r"^ +-> output port is (\d+)$", text, re.M)
        self.port = int(ports[-1]) if ports else None
        self.replied = "IN_PORT" in text
        finals = re.findall(r"^Final flow: (.*)$", text, re.M)
        self.final = finals[-1] if finals else ""
        keys = re.findall(r"NXM_NX_TUN_ID\[0\.\.23\] is now (\w+)", text)
        self.tunnel_key = keys[-1] if keys else None

    def field(self, name):
        match = re.search(rf"(?:^|,){name}=([^,]*)", self.final)
        return match and match[1]

    def rules(self, features, direction):
        """Ids of the rules that had the credit in the tables of a direction's tiers."""
        tables = [f"{direction}_{tier}" for tier in ("admin", "group", "np", "baseline")]
        return {cookie & 0xffffffff for name, cookie in zip(self.tables, self.cookies)
                if name in tables and cookie >> 48 & 0xff in features}

    def verdict(self):
        if self.port is not None:
            return f"output {self.port}"
        if self.replied:
            return "reply"
        feature, number = self.cookies[-1] >> 48 & 0xff, self.cookies[-1] & 0xffffffff
        if feature == DROP:
            return f"drop {DROPS[number]} in {self.tables[-1]}"
        if feature == ISOLATE:
            return f"drop by rule {number} in {self.tables[-1]}"
        return f"drop in {self.tables[-1]}"


class Way:
    """One packet from end to end."""

    def __init__(self):
        self.delivered = False
        self.egress, self.ingress = set(), set()
        self.parts = []

    def add(self, node, trace):
        self.egress |= trace.rules((RULE, ISOLATE), "egress")
        self.ingress |= trace.rules((RULE, ISOLATE), "ingress")
        self.parts.append(f"{node} {trace.verdict()}")

    @property
    def text(self):
        def credit(what, rules):
            return "".join(f", {what} rule {rule}" for rule in sorted(rules))
        return ("delivered" if self.delivered else "dropped") + " (" + "; ".join(self.parts) \
            + ")" + credit("egress", self.egress) + credit("ingress", self.ingress)


def pairs(records, ports):
    """All packets worth a walk: the world and nodes talk to pods only, and everybody only
    to those that have an address of the family."""
    pods = sorted(p for p in records.pods if records.node_of(p))
    others = records.node_names() + ["world"]
    for src in pods + others:
        for dst in pods + others:
            if src != dst and (src in pods or dst in pods):
                for port in ports:
                    if all(records.address(who, is_ip6(port)) for who in (src, dst)):
                        yield src, dst, port


def is_ip6(port):
    return port.partition("/")[0].endswith("6")


def transport(port):
    protocol, _, number = port.partition("/")
    if number:
        bare = protocol.rstrip("6")
        return f"{protocol},{bare}_src=40000,{bare}_dst={number}"
    echo = {"icmp": "icmp_type=8,icmp_code=0", "icmp6": "icmpv6_type=128,icmpv6_code=0"}
    return ",".join(filter(None, [protocol, echo.get(protocol)]))


def first_hop(switch, records, src, dst):
    """Node and link layer of the packet where it enters."""
    if src in records.pods:
        node = records.node_of(src)
        return node, f"in_port={switch.ports[node][src]},dl_src={records.pods[src]['mac']}"
    node = records.node_of(dst) if src == "world" else src
    return node, f"in_port={GATEWAY},dl_src={MACS['gateway']}"


def by_tunnel(records, node, trace, network):
    """The packet as the other node gets it."""
    to = next(n for n in records.node_names()
              if records.node(n)["vtep"] == trace.field("tun_dst"))
    return to, (f"in_port={TUNNEL},tun_src={records.node(node)['vtep']},"
                f"tun_dst={trace.field('tun_dst')},tun_id={trace.tunnel_key},"
                f"dl_src={trace.field('dl_src')},dl_dst={trace.field('dl_dst')},{network},"
                f"nw_ttl={trace.field('nw_ttl')}")


def expected_port(switch, records, node, dst):
    return switch.ports[node].get(dst, GATEWAY)


def walk(switch, records, src, dst, port):
    way = Way()
    node, link = first_hop(switch, records, src, dst)
    field, six = ("ipv6", True) if is_ip6(port) else ("nw", False)
    network = (f"{transport(port)},{field}_src={records.address(src, six)},"
               f"{field}_dst={records.address(dst, six)}")
    trace = switch.trace(node, f"{link},dl_dst={MACS['router']},{network},nw_ttl=64",
                         ["trk,new"])
    way.add(node, trace)
    if trace.port == TUNNEL:
        node, flow = by_tunnel(records, node, trace, network)
        trace = switch.trace(node, flow, ["trk,new"])
        way.add(node, trace)
    way.delivered = (trace.port == expected_port(switch, records, node, dst)
                     and trace.field("dl_src") == MACS["router"]
                     and trace.field("nw_ttl") == "63")
    return way


def one(switch, line):
    """A line of packets.txt."""
    node, flow, *rest = line.split()
    states = [word[3:].replace("|", ",") for word in rest if word.startswith("ct=")]
    trace = switch.trace(node, flow, states or ["trk,new"])
    return f"{trace.verdict()} by {' '.join(trace.tables)}"
