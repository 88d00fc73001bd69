"""A change that takes an allow away cuts established connections at once, and no others."""
import re
import socket
import threading
import time
from contextlib import contextmanager

from e2elib.harness import wait_until
from e2elib.objects import (namespace, namespaces_peer, pod, pods_peer, policy, rule)
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, inside, open_socket

SERVER, NEAR, FAR = "r/server", "r/near", "r/far"
FRIEND, OTHER = "r/friend", "q/other"  # FRIEND stays allowed throughout.
PORTS = ("80/TCP", "81/TCP", "80/UDP", "81/UDP")
POLICY = "/apis/networking.k8s.io/v1/namespaces/r/networkpolicies/p"
LIMIT = 5  # Seconds; far more than it takes, and far less than a retransmission's patience.


def from_pods(*ports, **labels):
    return rule("from", [pods_peer(**labels)], ports or ["80/TCP", "80/UDP"])


def stage(lab, *more):
    lab.apply(namespace("r", team="r"), namespace("q", team="q"),
              pod(SERVER, "node-1", PORTS, role="server"), pod(NEAR, "node-1", role="client"),
              pod(FAR, "node-2", role="client"), pod(FRIEND, "node-2", role="friend"),
              pod(OTHER, "node-2", role="client"), *more)


def label(lab, name, **labels):
    ns, _, short = name.partition("/")
    lab.patch(f"/api/v1/namespaces/{ns}/pods/{short}", {"metadata": {"labels": labels}})


class Stream:
    """One connection over which only the server sends, after the first line."""

    def __init__(self, lab, client, server, port=9000):
        def listen():
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", port))
            sock.listen()
            sock.settimeout(LIMIT)
            return sock
        self.listener = inside(lab.netns(server), listen)
        self.client = open_socket(lab.netns(client), socket.SOCK_STREAM)
        self.client.settimeout(LIMIT)
        self.client.connect((lab.ip(server), port))
        self.server, _ = self.listener.accept()

    def push(self, text=b"tick", timeout=LIMIT):
        """True if what the server sends arrives."""
        self.client.settimeout(timeout)
        try:
            self.server.sendall(text)
            return self.client.recv(4096) == text
        except OSError:
            return False

    def close(self):
        for sock in (self.client, self.server, self.listener):
            sock.close()


@contextmanager
def unharmed(connections=(), streams=()):
    """Connections that are used all the while, and that must not notice a thing."""
    stop, lost = threading.Event(), []

    def use(what, once):
        count = 0
        while not stop.is_set():
            count += 1
            if not once(count):
                lost.append(f"{what} died at use {count}")
                return
            time.sleep(0.002)  # A rate, not a wait: 500 uses a second are enough.
    workers = [threading.Thread(target=use, args=(
        name, lambda n, c=c: c.echo(f"line {n}", LIMIT))) for name, c in connections]
    workers += [threading.Thread(target=use, args=(name, lambda n, s=s: s.push()))
                for name, s in streams]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    check(not lost, "; ".join(lost))


def is_cut(connection):
    """Nothing comes through any more, in either direction."""
    return not connection.echo("are you there?", 0.5)


def expect_cut(lab, connections, what):
    wait_idle(lab)
    alive = [name for name, c in connections if not is_cut(c)]
    check(not alive, f"{what}: still alive: {', '.join(alive)}")


def wait_idle(lab):
    """Every agent has done all that it wants to do about connections."""
    for node in lab.inst.nodes():
        wait_until(lambda n=node: revocation(lab, n).startswith("idle"), 20, f"{node} to be idle")


def revocation(lab, node):
    return lab.node(node, "ovs-appctl", "-t", lab.inst.path(node, "agent", "virga-agent.ctl"),
                    "revocation/show")


def passes(lab, node):
    return int(re.search(r"(\d+) passes", revocation(lab, node)).group(1))


def cut_by(lab, change, wanted="cut", protected=None):
    """Opens a connection of NEAR and FAR to the server, makes the change and looks."""
    victims = [(n, Connection(lab.netns(n), lab.ip(SERVER), 80)) for n in (NEAR, FAR)]
    friend = Connection(lab.netns(FRIEND), lab.ip(SERVER), 80)
    stream = Stream(lab, FRIEND, SERVER)
    try:
        with unharmed([("the friend's echo", friend)], [("the friend's stream", stream)]):
            change()
            if wanted == "cut":
                expect_cut(lab, victims, "after the change")
            else:
                wait_idle(lab)
                equal([n for n, c in victims if not c.echo("still?", LIMIT)], [], "wrongly cut")
    finally:
        for _, c in victims:
            c.close()
        friend.close()
        stream.close()


def server_policy(*rules):
    """Everything from the friend; and the rules."""
    return policy("r/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="friend")]), *rules])


@test
def relabel_of_a_pod_cuts(lab):
    stage(lab, server_policy(from_pods(role="client")))

    def change():
        label(lab, NEAR, role="stranger")
        label(lab, FAR, role="stranger")
    cut_by(lab, change)


@test
def relabel_of_a_namespace_cuts(lab):
    stage(lab, server_policy(rule("from", [namespaces_peer(team="q")], ["80/TCP"])))
    victim = Connection(lab.netns(OTHER), lab.ip(SERVER), 80)
    friend = Connection(lab.netns(FRIEND), lab.ip(SERVER), 80)
    with unharmed([("the friend's echo", friend)]):
        lab.patch("/api/v1/namespaces/q", {"metadata": {"labels": {"team": "x"}}})
        expect_cut(lab, [(OTHER, victim)], "after the relabel")
    victim.close()
    friend.close()


@test
def policy_that_isolates_cuts(lab):
    stage(lab)
    cut_by(lab, lambda: lab.apply(server_policy()))


@test
def egress_policy_cuts(lab):
    stage(lab)
    cut_by(lab, lambda: lab.apply(policy("r/out", {"role": "client"}, egress=[])))


@test
def rule_removed_cuts(lab):
    stage(lab, server_policy(from_pods(role="client")))
    cut_by(lab, lambda: lab.apply(server_policy()))


@test
def rule_with_another_port_cuts(lab):
    stage(lab, server_policy(from_pods("80/TCP", role="client")))
    cut_by(lab, lambda: lab.apply(server_policy(from_pods("81/TCP", role="client"))))


@test
def policy_deleted_cuts_what_only_it_allowed(lab):
    stage(lab, policy("r/base", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="friend")])]), server_policy(from_pods(role="client")))
    cut_by(lab, lambda: lab.delete("networkpolicy", "r/p"))


@test
def edit_that_says_the_same_cuts_nothing(lab):
    stage(lab, server_policy(from_pods("80/TCP", role="client")))
    cut_by(lab, lambda: lab.apply(server_policy(from_pods("70-90/TCP", role="client"))), "kept")


@test
def relabel_that_changes_nothing_cuts_nothing(lab):
    stage(lab, server_policy(from_pods(role="client")))

    def change():
        label(lab, NEAR, colour="red")
        label(lab, FAR, colour="blue")
        lab.apply(policy("r/colour", {"colour": "red"}, ingress=[]))
    cut_by(lab, change, "kept")


@test
def server_that_only_sends_is_cut(lab):
    """The server may open connections to the client; the cut one does not go on that way."""
    stage(lab, policy("r/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="client")], ["9000/TCP"])]))
    for client in (NEAR, FAR):
        stream = Stream(lab, client, SERVER)
        check(stream.push(), "the stream never worked")
        arrived, stop = [], threading.Event()

        def send(s=stream, end=stop):
            while not end.is_set():
                try:
                    s.server.send(b"tick", socket.MSG_DONTWAIT)
                except BlockingIOError:
                    pass
                time.sleep(0.002)  # A rate.
        sender = threading.Thread(target=send)
        sender.start()
        try:
            label(lab, client, role="stranger")
            wait_idle(lab)
            stream.client.settimeout(0.2)
            stream.client.setblocking(False)
            drain(stream.client)
            stream.client.settimeout(1)
            try:
                arrived.append(stream.client.recv(4096))
            except OSError:
                pass
        finally:
            stop.set()
            sender.join()
        equal(arrived, [], f"what {client} got after the cut")
        # A connection of the server's own to the client is another matter.
        own = Connection(lab.netns(SERVER), lab.ip(client), 80)
        check(own.echo("hello", LIMIT), f"the server cannot reach {client}")
        own.close()
        stream.close()
        label(lab, client, role="client")


def drain(sock):
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass


@test
def udp_flow_is_cut(lab):
    """The server goes on sending, from the port it was asked at."""
    stage(lab, server_policy(from_pods("9000/UDP", role="client")))

    def bound():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", 9000))
        sock.settimeout(LIMIT)
        return sock
    server = inside(lab.netns(SERVER), bound)
    for client in (NEAR, FAR):
        sock = open_socket(lab.netns(client), socket.SOCK_DGRAM)
        sock.settimeout(LIMIT)
        sock.sendto(b"subscribe", (lab.ip(SERVER), 9000))
        _, where = server.recvfrom(100)
        for _ in range(3):
            server.sendto(b"news", where)
            equal(sock.recv(100), b"news", "before the cut")
        stop = threading.Event()

        def send(end=stop, address=where):
            while not end.is_set():
                server.sendto(b"news", address)
                time.sleep(0.002)  # A rate.
        sender = threading.Thread(target=send)
        sender.start()
        try:
            label(lab, client, role="stranger")
            wait_idle(lab)
            sock.setblocking(False)
            drain(sock)
            sock.settimeout(1)
            try:
                got = sock.recv(100)
            except OSError:
                got = None
        finally:
            stop.set()
            sender.join()
        equal(got, None, f"what {client} got after the cut")
        label(lab, client, role="client")
        sock.sendto(b"subscribe", (lab.ip(SERVER), 9000))
        server.recvfrom(100)
        server.sendto(b"news", where)
        sock.settimeout(LIMIT)
        equal(sock.recv(100), b"news", "after it is allowed again")
        sock.close()
    server.close()


@test
def allowed_again_lets_through_at_once(lab):
    stage(lab, server_policy(from_pods(role="client")))
    old = Connection(lab.netns(FAR), lab.ip(SERVER), 80)
    label(lab, FAR, role="stranger")
    expect_cut(lab, [(FAR, old)], "after the relabel")
    label(lab, FAR, role="client")
    new = Connection(lab.netns(FAR), lab.ip(SERVER), 80)
    check(new.echo("hello", LIMIT), "the new connection does not work")
    for c in (old, new):
        c.close()


@test
def label_gained_opens_at_once(lab):
    stage(lab, server_policy(from_pods(role="admin")))
    label(lab, NEAR, role="admin")
    label(lab, FAR, role="admin")
    for client in (NEAR, FAR):
        c = Connection(lab.netns(client), lab.ip(SERVER), 80)
        check(c.echo("hello", LIMIT), f"{client} does not get through")
        c.close()


@test
def changes_that_only_allow_read_no_connections(lab):
    stage(lab, server_policy(from_pods(role="client")))
    wait_idle(lab)
    before = [passes(lab, n) for n in lab.inst.nodes()]
    lab.apply(pod("r/newcomer", "node-1", role="client"), pod("q/newcomer", "node-2"))
    lab.apply(server_policy(from_pods(role="client"), from_pods("81/TCP", role="stranger")))
    wait_idle(lab)
    equal([passes(lab, n) for n in lab.inst.nodes()], before, "passes")


@test
def guards_outlive_the_agent(lab):
    """A server that only sends does not get through after the agent restarts."""
    stage(lab, policy("r/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="client")], ["9000/TCP"])]))
    stream = Stream(lab, NEAR, SERVER)
    check(stream.push(), "the stream never worked")
    label(lab, NEAR, role="stranger")
    wait_idle(lab)
    check(not stream.push(timeout=0.5), "not cut")
    lab.run("kill", "agent", "node-1")
    lab.run("start", "agent", "node-1")
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    wait_idle(lab)
    check(not stream.push(timeout=1), "the stream goes on after the restart")
    label(lab, NEAR, role="client")
    check(" 0 guards" in revocation(lab, "node-1"), "a guard of what is allowed again")
    stream.close()


@test
def agent_that_was_away_cuts_when_it_is_back(lab):
    stage(lab, server_policy(from_pods(role="client")))
    victim = Connection(lab.netns(NEAR), lab.ip(SERVER), 80)
    friend = Connection(lab.netns(FRIEND), lab.ip(SERVER), 80)
    lab.run("kill", "agent", "node-1")
    lab.api.merge("/api/v1/namespaces/r/pods/near", {"metadata": {"labels": {"role": "x"}}})
    check(victim.echo("still here", LIMIT), "cut by nobody")
    with unharmed([("the friend's echo", friend)]):
        lab.run("start", "agent", "node-1")
        lab.parts.wait_nodes_ready(lab.inst.nodes())
        lab.api.sync()
        expect_cut(lab, [(NEAR, victim)], "after the agent came back")
    victim.close()
    friend.close()
