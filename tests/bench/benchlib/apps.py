"""What W1, W2 and W3 share: ten thousand pods in one namespace, a hundred of them here,
a thousand policies on these (generate.apps), in Virga and in OVN.  One workload leaves
both standing for the next."""
import json
import time

import generate
from benchlib import processes
from benchlib.context import BenchError
from benchlib.http_client import creations, path_of, send_all
from benchlib.ovn import Ovn, expect
from benchlib.virga import Virga
from lablib import probing

NS = "apps"


class Apps:
    def __init__(self, ctx, objects=None):
        self.ctx = ctx
        self.objects = objects or generate.apps(ctx.size(10000, 300), ctx.size(1000, 10),
                                                ctx.size(100, 5))
        self.policies, self.objects.policies = self.objects.policies, []
        self.by_app = {}
        for p in self.objects.pods:
            app = p["metadata"]["labels"].get("app")
            self.by_app.setdefault(app, []).append(p["metadata"]["name"])
        self.virga = self.ovn = None
        self.has_policies = {"virga": False, "ovn": False}

    # --- clusters --------------------------------------------------------------

    def start_virga(self):
        if not (self.virga and self.virga.open):
            self.virga = Virga(self.ctx, self.objects.nodes)
            self.virga.load(self.objects)
            self.has_policies["virga"] = False
        return self.virga

    def start_ovn(self):
        if not self.ovn:
            self.ovn = Ovn(self.ctx)
            self.ovn.load(self.objects)
        return self.ovn

    # --- policies ----------------------------------------------------------------

    def realize_virga(self):
        """Seconds from the first policy's first byte to the barrier behind the last flow,
        with nothing there before: API, compiler, database, agent, switch."""
        v = self.start_virga()
        self.clear_virga()
        requests = creations(self.policies)
        began = time.monotonic()
        send_all(v.socket, requests)
        v.wait_applied()
        self.has_policies["virga"] = True
        return time.monotonic() - began

    def realize_known(self):
        """Seconds from policies that are known, stored and compiled, to the barrier behind
        the last flow: the agent sleeps until all are in the database."""
        v = self.start_virga()
        self.clear_virga()
        with v.agent_sleeps():
            send_all(v.socket, creations(self.policies))
            before = processes.watch(v.pids())
            began = time.monotonic()
        v.wait_applied()
        seconds = time.monotonic() - began
        self.has_policies["virga"] = True
        return {"seconds": seconds, **processes.spent(v.pids(), before, "_known_cpu_s")}

    def clear_virga(self):
        if self.has_policies["virga"]:
            self.virga.delete_policies(NS)
            self.has_policies["virga"] = False

    def realize_ovn(self):
        """The same: one transaction, then ovn-nbctl --wait=hv sync."""
        o = self.start_ovn()
        if self.has_policies["ovn"]:
            o.delete_policies()
        operations = o.policy_rows(self.policies, self.by_app)
        began = time.monotonic()
        o.nb.transact(operations)
        o.sync()
        self.has_policies["ovn"] = True
        return time.monotonic() - began

    def with_policies(self):
        """(virga, ovn), every policy realised; None for a peer that is not wanted."""
        for peer, realize in (("virga", self.realize_virga), ("ovn", self.realize_ovn)):
            if self.ctx.wants(peer) and not self.has_policies[peer]:
                with self.ctx.step(f"{peer}: {len(self.policies):,} policies"):
                    realize()
        return self.virga, self.ovn

    # --- answers -------------------------------------------------------------------

    def probe_virga(self):
        """Real connections: the friend to every local application, the stranger to none."""
        places = {p.name: p for p in probing.pod_places(self.virga.inst)}
        tries, wanted = [], []
        for k in range(10):
            target = places[f"{NS}/local-{k}-{k}"]
            tries += [(places[f"{NS}/friend"], target, ("tcp", 80)),
                      (places[f"{NS}/stranger"], target, ("tcp", 80)),
                      (places[f"{NS}/friend"], target, ("udp", 80))]
            wanted += ["allowed", "denied", "denied"]
        results = [r for r, _ in probing.probe(self.virga.inst, tries, 1.0)]
        expect(results == wanted, f"{results}, not {wanted}")
        expect("full computation" in self.virga.agent_ctl("flows/check"),
               "the flows are not those of a full computation")

    def probe_ovn(self):
        for source, port, wanted in (("friend", 80, True), ("friend", 81, False),
                                     ("stranger", 80, False)):
            got = self.ovn.reaches(source, "local-3-3", port)
            expect(got == wanted, f"OVN: {source} to local-3-3:{port} is {got}")


def get(ctx):
    if "apps" not in ctx.shared:
        ctx.shared["apps"] = Apps(ctx)
    return ctx.shared["apps"]


def label_patch(app):
    return json.dumps({"metadata": {"labels": {"app": app}}})


def pod_path(name):
    return f"/api/v1/namespaces/{NS}/pods/{name}"


__all__ = ["Apps", "BenchError", "get", "label_patch", "path_of", "pod_path"]
