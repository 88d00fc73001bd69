"""The lab as tests use it: through the command line as a user does, and by its modules
where a test must be quick or hold something open."""
import json
import os
import signal
import subprocess
import tempfile

from lablib import cluster, probing
from lablib.instance import Instance
from lablib.parts import Parts
from lablib.system import LabError, read_pid, wait_until

from .objects import namespace
from .runner import Failure, check

TIMEOUT = 1.5  # Seconds of silence that mean denied.


class Lab:
    def __init__(self, root, name=None, nodes=2, options=()):
        self.root, self.nodes, self.options = root, nodes, options
        self.name = name or os.environ["VIRGA_LAB"]
        self.inst = Instance(root, self.name)
        self.files = None
        self.killed = set()  # By the test, and not started again.
        self.reports = set()  # Files of sanitizers that a test was blamed for.

    # --- life -------------------------------------------------------------

    def start(self):
        self.files = tempfile.TemporaryDirectory(prefix="virga-e2e-")
        self.run("down")
        self.run("up", "--nodes", str(self.nodes), *self.options)
        self.refresh()

    def stop(self):
        self.run("down")
        if self.files:
            self.files.cleanup()

    def refresh(self):
        self.inst = Instance(self.root, self.name)

    @property
    def parts(self):
        return Parts(self.inst)

    @property
    def api(self):
        return self.parts.api

    def reset(self):
        """Back to an empty cluster with everything running."""
        self.killed.clear()
        for part, node in [("db", None), ("controller", None),
                           *(("agent", n) for n in self.inst.nodes())]:
            if not self.parts.is_running(self.parts.process_name(part, node)):
                self.run("start", part, *([node] if node else []))
        wait_until(self.parts.controller_answers, 20, "the controller")
        self.parts.wait_nodes_ready(self.inst.nodes())
        for path in ("/apis/networking.k8s.io/v1/networkpolicies",
                     "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
                     "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies",
                     "/apis/policy.networking.k8s.io/v1alpha1/baselineadminnetworkpolicies",
                     *(f"/apis/virga.dev/v1alpha1/{plural}"
                       for plural in ("grouppolicies", "policygroups", "networkgroups")),
                     "/api/v1/pods", "/api/v1/namespaces"):
            for obj in self.api.get(path)["items"]:
                self._delete(path, obj["metadata"])
        self.settle()

    def _delete(self, path, meta):
        kept = ("default", "kube-system", "kube-public", "kube-node-lease")
        if path == "/api/v1/namespaces" and meta["name"] in kept:
            return
        head, _, plural = path.rpartition("/")
        where = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
        try:
            self.api.call("DELETE", f"{head}{where}/{plural}/{meta['name']}")
        except LabError as e:
            if getattr(e, "code", 0) != 404:
                raise

    def died(self):
        """Daemons that are dead though no test killed them, and reports of sanitizers."""
        dead = [f"{name} died; its log: {self.inst.path('log', name + '.log')}"
                for name in self.inst.processes()
                if not self.parts.is_running(name) and name not in self.killed]
        return dead + self.sanitizer_reports()

    def sanitizer_reports(self):
        """Those that are new since the last call, each with its beginning."""
        found = []
        for name in os.listdir(self.inst.path("log")):
            if (".asan." in name or ".ubsan." in name) and name not in self.reports:
                self.reports.add(name)
                with open(self.inst.path("log", name), encoding="utf-8", errors="replace") as f:
                    found.append(f"{name}: {f.read(4000)}")
        return found

    def end_daemons(self):
        """SIGTERM to controller and agents; they must end of their own accord."""
        for name in ["controller", *(f"agent-{n}" for n in self.inst.nodes())]:
            pidfile = self.inst.processes()[name]
            os.kill(read_pid(pidfile), signal.SIGTERM)
            wait_until(lambda f=pidfile: not read_pid(f), 15, f"{name} to end after SIGTERM")

    def end_agent(self, node):
        """SIGTERM to one agent, which is not started again before the next test."""
        name = f"agent-{node}"
        self.killed.add(name)
        pidfile = self.inst.processes()[name]
        os.kill(read_pid(pidfile), signal.SIGTERM)
        wait_until(lambda: not read_pid(pidfile), 15, f"{name} to end after SIGTERM")

    # --- the command line ----------------------------------------------------

    def run(self, *argv, check_status=True, stdin=None):
        """scripts/lab ARGV; the CompletedProcess."""
        done = subprocess.run([os.path.join(self.root, "scripts", "lab"), *argv], text=True,
                              capture_output=True, check=False, timeout=300, input=stdin,
                              env={**os.environ, "VIRGA_LAB": self.name})
        if argv[0] in ("kill", "start") and not done.returncode:
            name = self.parts.process_name(argv[1], argv[2] if len(argv) > 2 else None)
            (self.killed.add if argv[0] == "kill" else self.killed.discard)(name)
        if check_status and done.returncode:
            raise Failure(f"scripts/lab {' '.join(argv)}: exit {done.returncode}\n"
                          f"{done.stdout}{done.stderr}")
        return done

    def ctl(self, *argv, check_status=True, stdin=None):
        return self.run("ctl", *argv, check_status=check_status, stdin=stdin)

    def node(self, node, *argv):
        return self.run("node", node, "--", *argv).stdout

    # --- objects -------------------------------------------------------------

    def write(self, text, name="manifest.yaml"):
        path = os.path.join(self.files.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def apply(self, *objects):
        """By "scripts/lab apply"; namespaces of pods are made if they are not given."""
        given = {o["metadata"]["name"] for o in objects if o["kind"] == "Namespace"}
        needed = {o["metadata"]["namespace"] for o in objects if "namespace" in o["metadata"]}
        there = {o["metadata"]["name"] for o in self.api.get("/api/v1/namespaces")["items"]}
        made = [namespace(n) for n in sorted(needed - given - there)]
        text = "\n---\n".join(json.dumps(o) for o in [*made, *objects])
        return self.run("apply", "-f", self.write(text))

    def delete(self, kind, name):
        ns, _, short = name.rpartition("/")
        self.run("delete", kind, *(["-n", ns] if ns else []), short)

    def patch(self, path, patch):
        """A merge patch, and every node has applied it."""
        self.api.merge(path, patch)
        self.settle()

    def settle(self):
        from lablib import pods
        failures = pods.sync(self.inst)
        check(not failures, "; ".join(failures))
        self.api.sync()

    def get_pod(self, name):
        ns, _, short = name.partition("/")
        return self.api.get(f"/api/v1/namespaces/{ns}/pods/{short}")

    def ip(self, name, family=None):
        """The first address, of family 4 or 6 if that is asked for."""
        return probing.find_place(self.inst, name).ip(family)

    def netns(self, name):
        ns, _, short = name.partition("/")
        return self.inst.pod_netns(ns, short)

    # --- connections -----------------------------------------------------------

    def expect(self, table, what="", family=None):
        """table: [(from, to, port, result)]; all tried at once, every cell must be right."""
        tries = [(probing.find_place(self.inst, f), probing.find_place(self.inst, t),
                  probing.parse_port(str(p))) for f, t, p, _ in table]
        results = probing.probe(self.inst, tries, TIMEOUT, family)
        wrong = [f"{f} -> {t} {p}: {got} instead of {wanted}"
                 for (f, t, p, wanted), (got, _) in zip(table, results) if got != wanted]
        check(not wrong, "\n".join([what, *wrong] if what else wrong))

    def expect_from(self, netns, source_ip, to_ip, port, wanted):
        """One connection from a given address of a namespace."""
        done = subprocess.run([self.inst.program("labpod"), f"--netns=/run/netns/{netns}", "probe",
                               str(int(TIMEOUT * 1000))], text=True, capture_output=True,
                              input=f"0 tcp {to_ip} {port} {source_ip}\n", check=True)
        check(done.stdout.split()[1] == wanted,
              f"{source_ip} -> {to_ip}:{port}: {done.stdout.split()[1]} instead of {wanted}")


def allowed(*pairs):
    return [(*p, "allowed") for p in pairs]


def denied(*pairs):
    return [(*p, "denied") for p in pairs]


__all__ = ["Lab", "LabError", "allowed", "cluster", "denied", "wait_until"]
