"""Rules that reject, and rules that log."""
import json
import os
import re
import socket

from e2elib.harness import wait_until
from e2elib.objects import group_policy, namespace, pod, policy_group
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, Ear, open_socket

SERVER, NEAR, FAR, OTHER = "rj/server", "rj/near", "rj/far", "rk/other"
PORTS = ("80/TCP", "81/TCP", "80/UDP", "82/TCP")


def role_group(name, role):
    return policy_group(name, selectors=[{"podSelector": {"matchLabels": {"role": role}}}])


def stage(lab, *more):
    """The server's and near's node is node-1, that of the others node-2."""
    lab.apply(namespace("rj"), namespace("rk"), pod(SERVER, "node-1", PORTS, role="server"),
              pod(NEAR, "node-1", PORTS, role="near"), pod(FAR, "node-2", PORTS, role="far"),
              pod(OTHER, "node-2", PORTS, role="other"), role_group("servers", "server"),
              role_group("far", "far"), *more)


def reject(port, **more):
    number, _, protocol = port.partition("/")
    return {"action": "Reject", "ports": [{"port": int(number), "protocol": protocol or "TCP"}],
            **more}


def rejected(*pairs):
    return [(*p, "rejected") for p in pairs]


def allowed(*pairs):
    return [(*p, "allowed") for p in pairs]


def agent_says(lab, node, what):
    return lab.node(node, "ovs-appctl", "-t", lab.inst.path(node, "agent", "virga-agent.ctl"), what)


@test
def reject_of_ingress(lab):
    """The sender hears it at once, wherever it is."""
    stage(lab, group_policy("g", "Group", "servers", ingress=[reject("80"), reject("80/UDP")]))
    senders = (NEAR, FAR, OTHER, "world", "node-2")
    lab.expect(rejected(*((s, SERVER, p) for s in senders for p in ("80", "80/UDP")))
               + allowed(*((s, SERVER, 81) for s in senders)))
    lab.delete("grouppolicy", "g")
    lab.expect(allowed(*((s, SERVER, p) for s in senders for p in ("80", "80/UDP"))))


@test
def reject_of_egress(lab):
    stage(lab, group_policy("g", "Group", "far", egress=[reject("80"), reject("80/UDP")]))
    targets = (SERVER, OTHER, "world")
    lab.expect(rejected(*((FAR, t, p) for t in targets for p in ("80", "80/UDP")))
               + allowed((FAR, SERVER, 81), (FAR, "world", 81), (NEAR, SERVER, 80)))


@test
def reject_of_an_established_connection(lab):
    """A change that rejects it resets it, as soon as somebody speaks."""
    stage(lab)
    connection = Connection(lab.netns(FAR), lab.ip(SERVER), 80)
    lab.apply(group_policy("g", "Group", "servers", ingress=[reject("80")]))

    def is_reset():
        try:
            connection.sock.settimeout(1)
            connection.sock.sendall(b"anybody?\n")
            return not connection.sock.recv(100)
        except ConnectionResetError:
            return True
        except OSError:
            return False
    wait_until(is_reset, 10, "the reset")
    connection.close()


@test
def no_answer_is_answered(lab):
    """A flood is dropped, answered in part, and starts no conversation of resets."""
    stage(lab, group_policy("g", "Group", "servers", ingress=[reject("80/UDP")]))
    sock = open_socket(lab.netns(FAR), socket.SOCK_DGRAM)
    with Ear(lab.netns(FAR), "eth0") as ear:
        for _ in range(4000):
            try:
                sock.sendto(b"x", (lab.ip(SERVER), 80))
            except OSError:  # The news of an earlier one.
                pass
        lab.expect(allowed((FAR, SERVER, 81), (NEAR, SERVER, 81)))
    answers = len(ear.heard(protocol=1, outgoing=False))
    check(0 < answers < 2500, f"{answers} answers to 4000 packets")
    equal(ear.heard(protocol=1, outgoing=True), [], "ICMP of the sender")
    seen = agent_says(lab, "node-1", "packets/show")
    check(re.search(r"rejected: \d+ packets seen", seen), seen)
    sock.close()


def log_lines(lab, node):
    path = lab.inst.path(node, "agent", "flows.log")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def logged(lab, node, **wanted):
    return [e for e in log_lines(lab, node) if all(e.get(k) == v for k, v in wanted.items())]


@test
def rules_that_log(lab):
    stage(lab, group_policy("logs", "Group", "servers", ingress=[
        {"action": "Accept", "from": [{"group": "far"}], "log": True},
        reject("80", log=True),
        {"action": "Deny", "ports": [{"port": 82}], "log": True, "dryRun": True},
        {"action": "Deny", "ports": [{"port": 81}]}]))
    before = {n: len(log_lines(lab, n)) for n in lab.inst.nodes()}
    lab.expect(allowed((FAR, SERVER, 80), (NEAR, SERVER, 82)) + rejected((NEAR, SERVER, 80))
               + [(NEAR, SERVER, 81, "denied")])
    wait_until(lambda: len(log_lines(lab, "node-1")) >= before["node-1"] + 3, 5, "three lines")
    lines = log_lines(lab, "node-1")[before["node-1"]:]
    equal(sorted((e["verdict"], e["rule"], e.get("dryRun", False)) for e in lines),
          [("allow", 0, False), ("deny", 2, True), ("reject", 1, False)], "the verdicts")
    allow = next(e for e in lines if e["verdict"] == "allow")
    equal((allow["policy"], allow["tier"], allow["direction"], allow["node"], allow["protocol"]),
          ("GroupPolicy//logs", "group", "ingress", "node-1", "tcp"), "what it says")
    equal((allow["source"]["endpoint"], allow["source"]["address"]), (FAR, lab.ip(FAR)), "source")
    equal((allow["destination"]["endpoint"], allow["destination"]["port"]), (SERVER, 80),
          "destination")
    equal(len(log_lines(lab, "node-2")), before["node-2"], "lines of the other node")
