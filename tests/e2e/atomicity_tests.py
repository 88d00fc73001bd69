"""A change of policy is one step: no packet meets a state between the old and the new.

New connections are tried a thousand times a second while objects change: UDP datagrams, each
from a port of its own that no other has had within the memory of conntrack, on the ways that
the test names in turn.  What both states allow must all arrive, what both deny never, and
what changes must change once.

One exception: a packet carries its sender's identity to the other node.  While a change gives
pods new identities, one node may know them a moment before the other; packets between nodes
may then be lost, and never be let through (README, "Limits")."""
import glob
import itertools
import socket
import struct
import threading
import time

from e2elib.harness import wait_until
from e2elib.objects import namespace, pod, pods_peer, policy, rule
from e2elib.runner import check, test
from e2elib.wire import Ear, open_socket

from datapath_tests import ethernet

SERVER, NEAR, FAR, OTHER = "a/server", "a/near", "a/far", "a/other"
TWIN = "a/twin"  # Like FAR and beside it, but for what a test says.
BESIDE = (NEAR,)  # On the node of the server.
MAGIC = b"virga-atomicity"
INTERVAL = 0.001
TURNS = 2  # Changes, there and back.
IN, OUT = "old", "new"


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def datagram(macs, src, dst, sport, dport, payload):
    """An Ethernet frame; UDP over IPv4 may go without a checksum."""
    own, router = (bytes.fromhex(mac.replace(":", "")) for mac in macs)
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return router + own + b"\x08\x00" + head + udp


class Way:
    """From a pod to a port of the server, and whether the old and the new state allow it.
    'gap': it may be lost while the state changes."""

    def __init__(self, source, port, old, new, gap):
        self.source, self.port, self.old, self.new = source, port, old, new
        self.gap = gap and source not in BESIDE
        self.sent = {IN: [], OUT: [], None: []}  # Numbers, by the state they were sent in.

    def __str__(self):
        return f"{self.source} to {self.port}/UDP"


class Prober(threading.Thread):
    """Sends on every way in turn until it is told to stop."""
    n = 0  # Goes on from one to the next.

    def __init__(self, lab, ways):
        super().__init__()
        self.ways = ways
        self.stopping, self.state = False, IN
        self.macs = {way.source: ethernet(lab, way.source) for way in ways}
        self.ips = {name: lab.ip(name) for name in [SERVER, *self.macs]}
        self.socks = {}
        for source in self.macs:
            self.socks[source] = open_socket(lab.netns(source), socket.SOCK_RAW, 0,
                                             socket.AF_PACKET)
            self.socks[source].bind(("eth0", 0))

    def run(self):
        due = time.monotonic()
        for i, way in itertools.cycle(enumerate(self.ways)):
            if self.stopping:
                return
            Prober.n += 1
            state = self.state
            self.socks[way.source].send(datagram(
                self.macs[way.source], self.ips[way.source], self.ips[SERVER],
                1024 + self.n % 64000, way.port, MAGIC + struct.pack("!BI", i, self.n)))
            # What was sent while the state changed is of neither.
            way.sent[state if state == self.state else None].append(self.n)
            due += INTERVAL
            time.sleep(max(0, due - time.monotonic()))  # A rate.

    def stop(self):
        self.stopping = True
        self.join()
        for sock in self.socks.values():
            sock.close()


def arrivals(frames, n_ways):
    """For each way the numbers that arrived."""
    got = [set() for _ in range(n_ways)]
    for frame in frames:
        at = -1 if frame.outgoing else frame.data.find(MAGIC)
        if at >= 0:
            way, number = struct.unpack_from("!BI", frame.data, at + len(MAGIC))
            got[way].add(number)
    return got


def wrong_of(way, got):
    """Lines about what neither state explains."""
    numbers = sorted(n for part in way.sent.values() for n in part)
    arrived = [n in got for n in numbers]
    runs = " ".join(f"{'+' if a else '-'}{len(list(g))}" for a, g in itertools.groupby(arrived))
    if way.gap and way.old:
        numbers = sorted(way.sent[IN] + (way.sent[OUT] if way.new else []))
        arrived = [n in got for n in numbers]
    if way.old == way.new:
        odd = [n for n, a in zip(numbers, arrived) if a != way.old]
        return [f"{way}: {len(odd)} of {len(numbers)} were "
                f"{'lost' if way.old else 'let through'}, such as {odd[0]}: {runs}"] if odd else []
    turns = sum(a != b for a, b in zip(arrived, arrived[1:]))
    ends = [arrived[0], arrived[-1]] != [way.old, way.new]
    late = sum((n in got) != way.new for n in way.sent[OUT])
    early = sum((n in got) != way.old for n in way.sent[IN])
    once = way.gap or (turns == 1 and not ends)
    return ([] if once else [f"{way}: changed {turns} times: {runs}"]) + (
        [f"{way}: {early} too early, {late} too late"] if early or late else [])


def revalidated(lab):
    """What the switch confirmed has reached the datapath's cached flows."""
    for node in lab.inst.nodes():
        control, = glob.glob(lab.inst.path(node, "ovs", "ovs-vswitchd.*.ctl"))
        lab.node(node, "ovs-appctl", "-t", control, "revalidator/wait")


def step(lab, ways, change):
    """One change under fire."""
    lab.expect([(way.source, SERVER, f"{way.port}/UDP", "allowed" if way.old else "denied")
                for way in ways])
    prober = Prober(lab, ways)
    with Ear(lab.netns(SERVER), "eth0") as ear:
        prober.start()
        try:
            steady(prober)
            prober.state = None
            change()
            revalidated(lab)
            prober.state = OUT
            steady(prober)
        finally:
            prober.stop()
    got = arrivals(ear.frames, len(ways))
    wrong = [line for way, mine in zip(ways, got) for line in wrong_of(way, mine)]
    check(not wrong, "\n".join(wrong))


def steady(prober, count=30):
    """Returns when so many more were sent on each way."""
    until = prober.n + count * len(prober.ways)
    wait_until(lambda: prober.n >= until, 30, "the prober to send", interval=INTERVAL)


def there_and_back(lab, table, change, back, new_identities=False):
    """'table': (source, port, allowed before, allowed after)."""
    for turn in range(TURNS):
        if turn % 2:
            step(lab, [Way(s, p, new, old, new_identities) for s, p, old, new in table], back)
        else:
            step(lab, [Way(s, p, old, new, new_identities) for s, p, old, new in table], change)


PORTS = tuple(f"{n}/UDP" for n in (80, 81, 82, 83))


def stage(lab, *more):
    lab.apply(namespace("a"), pod(SERVER, "node-1", PORTS, role="server"),
              pod(NEAR, "node-1", role="client"), pod(FAR, "node-2", role="client"),
              pod(TWIN, "node-2", role="client"), pod(OTHER, "node-2", role="other"), *more)


def server_policy(name, *rules, **labels):
    return policy(f"a/{name}", labels or {"role": "server"}, ingress=[
        rule("from", [pods_peer(**peer)], [f"{n}/UDP" for n in ports]) for peer, ports in rules])


CLIENT, FRIEND = {"role": "client"}, {"role": "friend"}


def label(lab, name, **labels):
    ns, _, short = name.partition("/")
    lab.patch(f"/api/v1/namespaces/{ns}/pods/{short}", {"metadata": {"labels": labels}})


@test
def edit_of_a_policy_is_one_step(lab):
    old, new = server_policy("p", (CLIENT, (80, 81))), server_policy("p", (CLIENT, (80, 82)))
    stage(lab, old)
    there_and_back(lab, [row for client in (NEAR, FAR) for row in (
        (client, 80, True, True), (client, 81, True, False), (client, 82, False, True),
        (client, 83, False, False))] + [(OTHER, 80, False, False)],
        lambda: lab.apply(new), lambda: lab.apply(old))


@test
def first_policy_is_one_step(lab):
    """It isolates, and allows at the same moment."""
    stage(lab)
    there_and_back(lab, [(NEAR, 80, True, True), (FAR, 80, True, True), (FAR, 81, True, False),
                         (OTHER, 80, True, False)],
                   lambda: lab.apply(server_policy("p", (CLIENT, (80,)))),
                   lambda: lab.delete("networkpolicy", "a/p"), new_identities=True)


@test
def policy_beside_others_is_one_step(lab):
    """What several allow goes on whichever of them goes."""
    stage(lab, server_policy("p", (CLIENT, (80, 81))))
    there_and_back(lab, [(NEAR, 80, True, True), (FAR, 80, True, True), (FAR, 81, True, True),
                         (OTHER, 80, False, True), (OTHER, 81, False, False),
                         (FAR, 82, False, True), (FAR, 83, False, False)],
                   lambda: lab.apply(policy("a/q", {"role": "server"}, ingress=[
                       rule("from", None, ["80/UDP", "82/UDP"])])),
                   lambda: lab.delete("networkpolicy", "a/q"))


@test
def relabel_of_a_peer_is_one_step(lab):
    stage(lab, server_policy("p", (CLIENT, (80, 81)), (FRIEND, (80, 82))))
    there_and_back(lab, [(FAR, 80, True, True), (FAR, 81, True, False), (FAR, 82, False, True),
                         (FAR, 83, False, False), (NEAR, 80, True, True), (NEAR, 81, True, True),
                         (NEAR, 82, False, False)],
                   lambda: label(lab, FAR, role="friend"), lambda: label(lab, FAR, role="client"),
                   new_identities=True)


@test
def relabel_of_a_subject_is_one_step(lab):
    """From under one policy to under another."""
    stage(lab, server_policy("p", (CLIENT, (80, 81))),
          server_policy("q", (CLIENT, (80, 82)), role="moved"))
    there_and_back(lab, [(NEAR, 80, True, True), (FAR, 80, True, True), (FAR, 81, True, False),
                         (FAR, 82, False, True), (FAR, 83, False, False),
                         (OTHER, 80, False, False)],
                   lambda: label(lab, SERVER, role="moved"),
                   lambda: label(lab, SERVER, role="server"), new_identities=True)


@test
def split_of_an_identity_is_one_step(lab):
    """A policy with a key that no selector used yet tells pods apart that were one class."""
    stage(lab, server_policy("p", (CLIENT, (80,))))
    label(lab, FAR, colour="red")
    label(lab, SERVER, colour="red")
    there_and_back(lab, [(NEAR, 80, True, True), (FAR, 80, True, True), (FAR, 81, False, True),
                         (NEAR, 81, False, False), (TWIN, 81, False, False),
                         (TWIN, 80, True, True), (OTHER, 80, False, False)],
                   lambda: lab.apply(server_policy("q", ({"colour": "red"}, (81,)), colour="red")),
                   lambda: lab.delete("networkpolicy", "a/q"), new_identities=True)
