"""Counters equal the packets that were sent: not about, not more, not fewer."""
import itertools
import re
import socket

from e2elib.harness import allowed, denied
from e2elib.objects import namespace, pod, pods_peer, policy, rule
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, Ear, open_socket

CLIENT, SERVER = "cnt/client", "cnt/server"
N = 25  # Connections of a test.
# The kernel's choice comes back now and then, as a packet of a connection that is there.
SOURCE_PORTS = itertools.count(20000)


def stage(lab, client_node, *more):
    lab.apply(namespace("cnt"), pod(CLIENT, client_node, ["80/TCP"], app="client"),
              pod(SERVER, "node-2", ["80/TCP", "90/UDP"], app="server"), *more)


def stats(lab):
    """(policy, direction, index) to its counters."""
    answer = lab.api.get("/virga/v1/stats?fresh=true")
    check(answer["complete"], f"nodes without counters: {answer.get('missing')}")
    return {(r["policy"].rpartition("/")[2], r["direction"], r["index"]): r
            for r in answer["rules"]}


def datagrams(lab, port, n, replies):
    """n datagrams, each from a port that no other had; waits for the replies."""
    sockets = [open_socket(lab.netns(CLIENT), socket.SOCK_DGRAM) for _ in range(n)]
    try:
        for i, sock in enumerate(sockets):
            sock.bind(("", next(SOURCE_PORTS)))
            sock.settimeout(5)
            sock.sendto(b"x" * (i % 7), (lab.ip(SERVER), port))
        for sock in sockets if replies else ():
            sock.recv(100)
    finally:
        for sock in sockets:
            sock.close()


def settle_arp(lab):
    """The first packet of a pod waits for ARP: have it done before counting."""
    lab.expect(allowed((CLIENT, SERVER, "90/UDP")))


def counted(rule_now, rule_before):
    return tuple(rule_now[k] - rule_before[k] for k in ("hits", "packets", "bytes"))


def udp_case(lab, client_node):
    stage(lab, client_node,
          policy("cnt/in", {"app": "server"}, ingress=[
              rule("from", [pods_peer(app="client")], ["80/TCP", "90/UDP"])]),
          policy("cnt/out", {"app": "client"}, egress=[
              rule("to", [pods_peer(app="server")], ["80/TCP", "90/UDP"])]))
    settle_arp(lab)
    before = stats(lab)
    with Ear(lab.netns(CLIENT), "eth0") as ear:
        datagrams(lab, 90, N, replies=True)
    after = stats(lab)
    frames = [f for f in ear.frames if f.protocol == 17]
    equal(len(frames), 2 * N, "datagrams on the wire")
    size = sum(f.length for f in frames)
    for key in (("in", "ingress", 0), ("out", "egress", 0)):
        equal(counted(after[key], before[key]), (N, 2 * N, size), f"hits, packets, bytes of {key}")
    for key in (("in", "ingress", -1), ("out", "egress", -1)):
        equal(counted(after[key], before[key]), (0, 0, 0), f"default deny of {key}")


@test
def counters_of_allowed_datagrams_across_nodes(lab):
    udp_case(lab, "node-1")


@test
def counters_of_allowed_datagrams_on_one_node(lab):
    udp_case(lab, "node-2")


def tcp_case(lab, client_node):
    stage(lab, client_node, policy("cnt/in", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")], ["80/TCP", "90/UDP"])]))
    settle_arp(lab)
    before = stats(lab)
    # Both ends have said goodbye before the count.
    with Ear(lab.netns(CLIENT), "eth0") as ear:
        for i in range(5):
            connection = Connection(lab.netns(CLIENT), lab.ip(SERVER), 80)
            for j in range(i):
                check(connection.echo(f"line {j}"), "no echo")
            connection.sock.shutdown(socket.SHUT_WR)
            check(connection.sock.recv(1) == b"", "the server did not close")
            connection.close()
        lab.expect(allowed((CLIENT, SERVER, "90/UDP")))  # Behind the last acknowledgement.
    after = stats(lab)
    tcp = [f for f in ear.frames if f.protocol == 6]
    udp = [f for f in ear.frames if f.protocol == 17]
    key = ("in", "ingress", 0)
    equal(counted(after[key], before[key]),
          (6, len(tcp) + len(udp), sum(f.length for f in tcp + udp)), "hits, packets, bytes")


@test
def counters_of_tcp_across_nodes(lab):
    tcp_case(lab, "node-1")


@test
def counters_of_tcp_on_one_node(lab):
    tcp_case(lab, "node-2")


def denied_case(lab, client_node):
    stage(lab, client_node, policy("cnt/in", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")], ["90/UDP"])]))
    settle_arp(lab)
    before = stats(lab)
    with Ear(lab.netns(CLIENT), "eth0") as ear:
        datagrams(lab, 91, N, replies=False)
    after = stats(lab)
    frames = ear.heard(dport=91)
    equal(len(frames), N, "datagrams on the wire")
    now, then = after["in", "ingress", -1], before["in", "ingress", -1]
    equal((now["packets"] - then["packets"], now["bytes"] - then["bytes"]),
          (N, sum(f.length for f in frames)), "packets, bytes of the default deny")
    equal(counted(after["in", "ingress", 0], before["in", "ingress", 0]), (0, 0, 0), "the rule")


@test
def counters_of_default_deny_across_nodes(lab):
    denied_case(lab, "node-1")


@test
def counters_of_default_deny_on_one_node(lab):
    denied_case(lab, "node-2")


@test
def each_rule_has_its_own_counters(lab):
    stage(lab, "node-1", policy("cnt/in", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")], ["80/TCP"]),
        rule("from", [pods_peer(app="client")], ["90/UDP"])]))
    settle_arp(lab)
    before = stats(lab)
    datagrams(lab, 90, N, replies=True)
    after = stats(lab)
    equal(counted(after["in", "ingress", 0], before["in", "ingress", 0])[:2], (0, 0), "rule 0")
    equal(counted(after["in", "ingress", 1], before["in", "ingress", 1])[:2], (N, 2 * N), "rule 1")


@test
def policy_stats_prints_the_counters(lab):
    stage(lab, "node-1", policy("cnt/in", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")], ["90/UDP"])]))
    settle_arp(lab)
    datagrams(lab, 90, N, replies=True)
    datagrams(lab, 91, N, replies=False)
    rules = stats(lab)
    table = lab.ctl("policy", "stats").stdout
    for key in (("in", "ingress", 0), ("in", "ingress", -1)):
        row = [str(rules[key][k]) for k in ("packets", "bytes")]
        check(any("cnt/in" in line and set(row) <= set(re.findall(r"\d+", line))
                  for line in table.splitlines()), f"no row with {row} in:\n{table}")


def pairs(lab, source, to):
    answer = lab.api.get("/virga/v1/matrix?fresh=true")
    return [sum(p[k] for p in answer["pairs"] if source in p["from"] and to in p["to"])
            for k in ("packets", "bytes")]


def matrix_case(lab, client_node):
    stage(lab, client_node, policy("cnt/in", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")], ["80/TCP", "90/UDP"])]))
    there, back = ("app=client", "app=server"), ("app=server", "app=client")
    # The first packet of a node's tunnel waits for ARP of the underlay: let the
    # host of the node send it.
    lab.expect(denied(("node-1", SERVER, "90/UDP")))
    # Pairs of earlier tests have the same names.
    before = {pair: pairs(lab, *pair) for pair in (there, back)}

    def since(pair):
        return [now - then for now, then in zip(pairs(lab, *pair), before[pair])]

    with Ear(lab.netns(CLIENT), "eth0") as ear:
        datagrams(lab, 90, N, replies=True)
    out = [f for f in ear.heard(protocol=17) if f.outgoing]
    into = [f for f in ear.heard(protocol=17) if not f.outgoing]
    equal((len(out), len(into)), (N, N), "datagrams on the wire")
    # From the very first packet on: also the one that taught the switch the pair.
    equal(since(there), [N, sum(f.length for f in out)], "packets, bytes client to server")
    equal(since(back), [N, sum(f.length for f in into)], "packets, bytes server to client")
    datagrams(lab, 90, N, replies=True)
    equal(since(there)[0], 2 * N, "packets after as many again")


@test
def matrix_counts_every_packet_across_nodes(lab):
    matrix_case(lab, "node-1")


@test
def matrix_counts_every_packet_on_one_node(lab):
    matrix_case(lab, "node-2")


@test
def matrix_has_no_denied_packets(lab):
    stage(lab, "node-1", policy("cnt/in", {"app": "server"}, ingress=[]))
    before = pairs(lab, "app=client", "app=server")
    lab.expect(denied((CLIENT, SERVER, "90/UDP"), (CLIENT, SERVER, 80)))
    equal(pairs(lab, "app=client", "app=server"), before, "packets, bytes of a denied pair")
    check("matrix" not in lab.ctl("matrix").stderr, "virgactl matrix complains")


@test
def counters_survive_agent_and_controller(lab):
    stage(lab, "node-1", policy("cnt/in", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")], ["90/UDP"])]))
    settle_arp(lab)
    datagrams(lab, 90, N, replies=True)
    before = stats(lab)["in", "ingress", 0]
    lab.run("kill", "agent", "node-2")
    datagrams(lab, 90, N, replies=True)
    lab.run("start", "agent", "node-2")
    lab.run("kill", "controller")
    datagrams(lab, 90, N, replies=True)
    lab.run("start", "controller")
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    equal(counted(stats(lab)["in", "ingress", 0], before)[:2], (2 * N, 4 * N),
          "hits, packets while agent and controller were away")
