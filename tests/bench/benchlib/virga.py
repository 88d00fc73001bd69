"""A Virga cluster of any size with one real node.

The lab's first node is real: database, controller, agent, ovs-vswitchd, and its pods,
attached by CNI.  The other nodes are rows in the database that keep saying "ready, all
applied", so that pods can be on them; nothing runs there."""
import contextlib
import os
import re
import signal
import threading
import time

from benchlib import processes
from benchlib.context import BenchError
from benchlib.http_client import Client, creations, send_all
from benchlib.ovsdb import JsonRpc, Ovsdb
from lablib import cluster, pods
from lablib.instance import Instance
from lablib.parts import Parts, ovs_env
from lablib.system import in_netns, read_pid, run

NODE = "node-1"
HEARTBEAT_SECONDS = 4
APPLY_SECONDS = 600
FOREVER = 2**62  # "applied" of nodes that do not exist: all that will ever come.


class Phantoms:
    """Nodes without agents.  Their heartbeats are one small transaction each few seconds."""

    def __init__(self, db_socket, names):
        self.db = Ovsdb(db_socket, "Virga")
        self.stop = threading.Event()
        operations = []
        for i, name in enumerate(names):
            address = f"172.31.{i // 250}.{1 + i % 250}"
            operations += [
                {"op": "insert", "table": "Node",
                 "row": {"name": name, "vtep": address, "addresses": address}},
                {"op": "insert", "table": "Node_Status",
                 "row": {"name": name, "ready": True, "applied": FOREVER,
                         "stats_applied": FOREVER, "heartbeat": _now_ms()}}]
        self.db.transact(operations)
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def _beat(self):
        try:
            while not self.stop.wait(HEARTBEAT_SECONDS):
                self.db.transact([{"op": "update", "table": "Node_Status",
                                   "where": [["name", "!=", NODE]],
                                   "row": {"heartbeat": _now_ms()}}])
        except (BenchError, OSError):
            pass  # The database is gone: the end.

    def close(self):
        self.stop.set()
        self.thread.join()
        self.db.close()


def _now_ms():
    return int(time.time() * 1000)


class Virga:
    def __init__(self, ctx, nodes):
        """'nodes': names; the first is the real one."""
        ctx.instance("bench")
        self.ctx = ctx
        self.inst = Instance(ctx.root, "bench")
        cluster.up(self.inst, 1, keep=False)
        self.inst = Instance(ctx.root, "bench")
        self.parts = Parts(self.inst)
        self.socket = self.parts.api.socket_path
        self.client = Client(self.socket)
        self.db = Ovsdb(self.inst.path("db", "virga.sock"), "Virga")
        self.phantoms = None
        if nodes[1:]:
            self.phantoms = Phantoms(self.inst.path("db", "virga.sock"), nodes[1:])
        ctx.defer(self.close)
        self.open = True

    def close(self):
        if self.open:
            self.open = False
            if self.phantoms:
                self.phantoms.close()
            self.client.close()
            self.db.close()
            cluster.down(Instance(self.ctx.root, "bench"))

    # --- objects ---------------------------------------------------------------

    def create(self, objects):
        """Namespaces before what is in them."""
        ordered = list(objects)
        for first in (True, False):
            send_all(self.socket, creations(
                [o for o in ordered if (o["kind"] == "Namespace") == first]))

    def attach(self):
        """Makes the pods of the real node real."""
        failures = pods.sync(self.inst, mention=False)
        if failures:
            raise BenchError("; ".join(failures[:3]))

    def load(self, objects):
        with self.ctx.step(f"virga: {len(objects.pods):,} pods, {len(objects.policies):,} policies"):
            self.create(objects)
            self.client.sync()
        with self.ctx.step("virga: attaching the node's own pods"):
            self.attach()
            self.client.sync()

    def delete_policies(self, ns):
        self.client.call("DELETE", f"/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies")
        self.client.sync()

    # --- realised ----------------------------------------------------------------

    def wait_applied(self):
        """Until the switch has confirmed all that the database has: the barrier's reply, as
        the agent knows it.  The agents of a large cluster take turns to tell the database,
        so that a sync of the API comes later.  The agent answers once, at that moment: to ask
        it again and again was a seventh of its time in W2."""
        row = self.db.transact([{"op": "select", "table": "Global", "where": [],
                                 "columns": ["generation"]}])[0]["rows"][0]
        agent = JsonRpc(self.inst.path(NODE, "agent", "virga-agent.ctl"))
        try:
            agent.call("wait", [str(row["generation"]), str(APPLY_SECONDS)])
        finally:
            agent.close()

    # --- what runs ---------------------------------------------------------------

    def pids(self):
        names = {"agent": f"agent-{NODE}", "controller": "controller", "db": "db",
                 "vswitchd": f"vswitchd-{NODE}"}
        book = self.inst.processes()
        return {name: read_pid(book[entry]) for name, entry in names.items()}

    def memory(self):
        """Of each process, once it has nothing to do."""
        return processes.memory(self.pids())

    def agent_ctl(self, *argv):
        path = self.inst.path(NODE, "agent", "virga-agent.ctl")
        return run(["ovs-appctl", "-t", path, *argv]).stdout

    def flow_counts(self):
        """(wanted, confirmed, sent in all)"""
        found = re.search(r"flows: (\d+) wanted, (\d+) confirmed, (\d+) sent",
                          self.agent_ctl("show"))
        return tuple(map(int, found.groups()))

    def flows(self):
        """The node's flows in the syntax of ovs-ofctl."""
        return self.agent_ctl("flows/desired")

    def n_pod_ports(self):
        ports = run(["ovs-vsctl", f"--db=unix:{self.inst.path(NODE, 'ovs', 'db.sock')}",
                     "list-ports", "br-int"]).stdout.split()
        return len(set(ports) - {"vxlan0", "virga0"})

    def ofctl(self, *argv):
        return run(in_netns(self.inst.netns(NODE), ["ovs-ofctl", *argv]),
                   env=ovs_env(self.inst, NODE), timeout=600).stdout

    def appctl(self, *argv):
        return run(["ovs-appctl", *argv], env=ovs_env(self.inst, NODE), timeout=600).stdout

    # --- faults and restarts -------------------------------------------------------

    @contextlib.contextmanager
    def agent_sleeps(self):
        """Stopped, as by a debugger; it goes on at the end."""
        pid = self.pids()["agent"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop_agent(self):
        self.parts.kill("agent", NODE)

    def start_agent(self):
        self.parts.start_agent(NODE)
