"""Policies that are too large for a node."""
import os

from e2elib.harness import allowed, denied, wait_until
from e2elib.objects import block_peer, namespace, pod, policy, rule
from e2elib.runner import check, equal, test
from e2elib.wire import Connection

from revocation_tests import expect_cut, unharmed
from why_tests import ask

SERVER, NEAR, FAR = "big/server", "big/near", "big/far"


@test
def policy_too_large_for_a_node(lab):
    """It isolates and allows nothing there; no other policy notices; its status says so."""
    options = lab.inst.path("node-1", "agent", "options")
    with open(options, "w", encoding="utf-8") as f:
        f.write("--policy-flows-max=40\n")
    try:
        lab.run("kill", "agent", "node-1")
        lab.run("start", "agent", "node-1")
        blocks = [block_peer(f"192.0.{i}.0/28") for i in range(100)]
        big = policy("big/big", {"role": "server"}, ingress=[
            rule("from", [{"podSelector": {}}]), rule("from", blocks)])
        small = policy("big/small", {"role": "near"}, ingress=[
            rule("from", [{"podSelector": {}}])])
        lab.apply(namespace("big"), pod(SERVER, "node-1", role="server"),
                  pod(NEAR, "node-1", role="near"), pod(FAR, "node-2"), big, small)
        lab.expect(denied((FAR, SERVER, 80), (NEAR, SERVER, 80))
                   + allowed((FAR, NEAR, 80), (SERVER, FAR, 80)))

        def condition():
            got = lab.api.get("/apis/networking.k8s.io/v1/namespaces/big/networkpolicies/big")
            return [c for c in got.get("status", {}).get("conditions", [])
                    if c["reason"] == "TooLarge" and c["status"] == "False"]
        wait_until(condition, 10, "the condition")
        check("node-1" in condition()[0]["message"], condition())
        verdict, _, document = ask(lab, NEAR, SERVER, "80")
        equal(verdict, "denied", "why")
        check("too large for node-1" in document["notes"][0], document["notes"])
        equal(ask(lab, FAR, NEAR, "80")[0], "allowed", "why, of another policy")
        big["spec"]["ingress"].pop()
        lab.apply(big)
        lab.expect(allowed((FAR, SERVER, 80), (NEAR, SERVER, 80), (FAR, NEAR, 80)))
        wait_until(lambda: not condition(), 10, "the condition to go")
        # What it once allowed ends when it grows, and nothing else does.
        server, near = (Connection(lab.netns(FAR), lab.ip(p), 80) for p in (SERVER, NEAR))
        check(server.echo("hello") and near.echo("hello"), "no connection")
        big["spec"]["ingress"].append(rule("from", blocks))
        with unharmed([("of another policy", near)]):
            lab.apply(big)
            expect_cut(lab, [("of the large policy", server)], "too large")
        for connection in (server, near):
            connection.close()
    finally:
        os.unlink(options)
        lab.run("kill", "agent", "node-1")
        lab.run("start", "agent", "node-1")
