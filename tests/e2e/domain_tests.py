"""Domain names as peers: what DNS answers to a pod teach its node."""
import os
from contextlib import contextmanager

from e2elib.dns import Server, resolve_and_connect
from e2elib.harness import wait_until
from e2elib.objects import cluster_policy, namespace, pod
from e2elib.runner import check, equal, test
from e2elib.wire import Connection

CLIENT, OTHER, DNS = "dn/client", "dn/other", "dn/dns"
POLICY = "names"
ZONE = {
    "www.example.com": (60, "edge.cdn.example"),
    "edge.cdn.example": (60, ["198.51.100.1", "198.51.100.2"]),
    "short.example.com": (0, ["198.51.100.3"]),
    "believed.example.com": (60, ["198.51.100.6"]),
    "wild.example": (60, ["198.51.100.4"]),
    "evil.example": (60, ["198.51.100.5"]),
    **{f"n{i}.a.wild.example": (60, [f"198.51.100.{100 + i}"]) for i in range(40)},
}


def names_policy(*names):
    return cluster_policy(POLICY, {"role": "client"}, egress=[
        {"action": "Accept", "to": [{"pods": {"namespaceSelector": {}, "podSelector": {
            "matchLabels": {"role": "dns"}}}}]},
        {"action": "Accept", "to": [{"domainNames": list(names)}],
         "protocols": [{"tcp": {"destinationPort": {"number": 443}}}]},
        {"action": "Deny", "to": [{"networks": ["0.0.0.0/0", "::/0"]}]}])


@contextmanager
def stage(lab, *names):
    """The client's node is not that of the server, and the addresses are in the world."""
    lab.apply(namespace("dn"), pod(CLIENT, "node-1", role="client"), pod(OTHER, "node-1"),
              pod(DNS, "node-2", role="dns"), names_policy(*names))
    addresses = sorted({a for _, what in ZONE.values() if not isinstance(what, str) for a in what})
    lab.run("exec", "world", "--", "sh", "-c",
            "\n".join(f"ip addr replace {a}/32 dev lo" for a in addresses))
    with Server(lab.netns(DNS), ZONE):
        yield


@contextmanager
def agent_options(lab, *options):
    """The agent of node-1 runs with these."""
    path = lab.inst.path("node-1", "agent", "options")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(options))
    try:
        restart_agent(lab)
        yield
    finally:
        os.unlink(path)
        restart_agent(lab)


def restart_agent(lab):
    lab.run("kill", "agent", "node-1")
    lab.run("start", "agent", "node-1")
    lab.settle()


def ask(lab, name, *connect_to, who=CLIENT):
    return resolve_and_connect(lab.netns(who), lab.ip(DNS), name, *connect_to)


def reaches(lab, address, port=443, who=CLIENT):
    try:
        Connection(lab.netns(who), address, port, 0.6).close()
        return True
    except OSError:
        return False


@test
def domain_names(lab):
    with stage(lab, "www.example.com", "*.wild.example"):
        for address in ("198.51.100.1", "198.51.100.4", "198.51.100.5"):
            check(not reaches(lab, address), f"{address} is reached before anybody asked")
        check(reaches(lab, "198.51.100.5", who=OTHER), "a pod without policy is cut off")
        equal(ask(lab, "WWW.Example.com", ("198.51.100.2", 443)), (True, True), "by an alias")
        check(reaches(lab, "198.51.100.1"), "the answer's other address")
        check(not reaches(lab, "198.51.100.1", 80), "another port")
        equal(ask(lab, "evil.example", ("198.51.100.5", 443)), (True, False), "another name")
        equal(ask(lab, "wild.example", ("198.51.100.4", 443)), (True, False), "the apex")
        # No answer is there before its flows: none of these waits for a second SYN.
        for i in range(40):
            equal(ask(lab, f"n{i}.a.wild.example", (f"198.51.100.{100 + i}", 443)), (True, True),
                  f"name {i} right after its answer")


@test
def domain_names_by_servers_that_are_believed(lab):
    """By a name that no other test asks for: what an agent has learned from a server that it
    believed then holds for its TTL, over the agent's death too."""
    name, target = "believed.example.com", ("198.51.100.6", 443)
    with stage(lab, name), agent_options(lab, "--dns-servers=192.0.2.53,2001:db8::/32"):
        equal(ask(lab, name, target), (True, False), "another server")
    with stage(lab, name), agent_options(lab, f"--dns-servers={lab.ip(DNS)}"):
        equal(ask(lab, name, target), (True, True), "this server")


@test
def domain_names_and_time(lab):
    """New connections until the TTL is over, established ones until the rule is gone."""
    with stage(lab, "short.example.com"):
        equal(ask(lab, "short.example.com", ("198.51.100.3", 443)), (True, True), "at first")
        connection = Connection(lab.netns(CLIENT), "198.51.100.3", 443)
        wait_until(lambda: not reaches(lab, "198.51.100.3"), 20, "the TTL's end")
        check(connection.echo("still there"), "cut because a TTL ran out")
        # Connections of the zone are judged again: an agent's start, and a change.
        lab.run("kill", "agent", "node-1")
        lab.run("start", "agent", "node-1")
        lab.apply(names_policy("short.example.com"), pod("dn/more", "node-1", role="client"))
        check(connection.echo("still there"), "cut by a look at all connections")
        lab.apply(names_policy("other.example.com"))
        wait_until(lambda: not connection.echo("gone?", 0.5), 10, "the cut")
        connection.close()


@test
def domain_names_and_an_agent_that_ends(lab):
    """Asked to end, it holds nobody up."""
    with stage(lab, "www.example.com"):
        equal(ask(lab, "www.example.com", ("198.51.100.1", 443)), (True, True), "at first")
        lab.end_agent("node-1")
        # Its last word to the switch may still be on the way, but is there long before the
        # flow would end by itself.
        wait_until(lambda: "pause" not in lab.node(
            "node-1", "ovs-ofctl", "-OOpenFlow15", "dump-flows", "br-int",
            "cookie=0x560e000000000000/-1,table=76"), 2, "the flow that holds to go")
        check(ask(lab, "www.example.com")[0], "no answer without the agent")


@test
def domain_names_and_the_agents_death(lab):
    with stage(lab, "www.example.com", "*.wild.example"):
        equal(ask(lab, "www.example.com", ("198.51.100.1", 443)), (True, True), "at first")
        lab.run("kill", "agent", "node-1")
        # Held for a few seconds, then answers go on; what was learned stays.
        wait_until(lambda: ask(lab, "www.example.com")[0], 15, "an answer without an agent")
        check(reaches(lab, "198.51.100.1"), "forgotten by the switch")
        equal(ask(lab, "n1.a.wild.example", ("198.51.100.101", 443)), (True, False),
              "a new address without an agent")
        lab.run("start", "agent", "node-1")
        lab.settle()
        check(reaches(lab, "198.51.100.1"), "forgotten by the new agent")
        equal(ask(lab, "n2.a.wild.example", ("198.51.100.102", 443)), (True, True),
              "a new address with the new agent")
