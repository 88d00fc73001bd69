"""Clients that are many, slow, greedy or rude; a switch whose connection table is full."""
import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from lablib.api import ApiError

from e2elib.harness import allowed, denied, wait_until
from e2elib.objects import namespace, pod, pods_peer, policy, rule
from e2elib.runner import check, equal, test
from lablib.system import read_pid

CLIENTS, OBJECTS = 12, 25
PODS = "/api/v1/namespaces/{}/pods"


def raw(lab):
    s = socket.socket(socket.AF_UNIX)
    s.connect(lab.api.socket_path)  # Waits while many others come, too.
    s.settimeout(30)
    return s


def controller_mb(lab):
    with open(f"/proc/{read_pid(lab.inst.processes()['controller'])}/status",
              encoding="ascii") as f:
        return int(next(x for x in f if x.startswith("VmRSS")).split()[1]) / 1024


def check_growth(lab, before, limit):
    """A sanitized program keeps 256 MB that were freed, and margins around all that it has."""
    slack = 1000 if lab.inst.build().endswith("-san") else 0
    grown = controller_mb(lab) - before
    check(grown < limit + slack, f"the controller grew by {grown:.0f} MB")


def in_parallel(function, items):
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(function, items))


class Watcher(threading.Thread):
    """Reads a watch of all pods until a pod named "last" comes."""

    def __init__(self, lab, version):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("localhost")
        self.connection.sock = raw(lab)
        self.connection.request("GET", f"/api/v1/pods?watch=true&resourceVersion={version}")
        self.events = []

    def run(self):
        for line in self.connection.getresponse():
            event = json.loads(line)
            meta = event["object"]["metadata"]
            self.events.append((event["type"], meta["name"], int(meta["resourceVersion"])))
            if meta["name"] == "last":
                return


def one_client(lab, i):
    """Makes, changes and removes pods of its own, and adds itself to a pod that all share."""
    ns = f"stress-{i}"
    lab.api.call("POST", "/api/v1/namespaces", namespace(ns))
    for k in range(OBJECTS):
        lab.api.call("POST", PODS.format(ns), pod(f"{ns}/p{k}", None, n=str(k)))
        lab.api.merge(f"{PODS.format(ns)}/p{k}", {"metadata": {"labels": {"n": f"{k}-{i}"}}})
        lab.api.merge(f"{PODS.format('stress')}/shared", {"metadata": {"labels": {f"c{i}": str(k)}}})
        if k % 2:
            lab.api.call("DELETE", f"{PODS.format(ns)}/p{k}")


@test
def api_clients_in_parallel_lose_nothing(lab):
    lab.api.call("POST", "/api/v1/namespaces", namespace("stress"))
    lab.api.call("POST", PODS.format("stress"), pod("stress/shared", None))
    start = lab.api.get("/api/v1/pods")["metadata"]["resourceVersion"]
    watchers = [Watcher(lab, start) for _ in range(3)]
    for w in watchers:
        w.start()
    in_parallel(lambda i: one_client(lab, i), range(CLIENTS))
    lab.api.call("POST", PODS.format("stress"), pod("stress/last", None))
    for w in watchers:
        w.join(30)
        check(not w.is_alive(), "a watch does not get to the last event")

    labels = lab.get_pod("stress/shared")["metadata"]["labels"]
    equal(labels, {f"c{i}": str(OBJECTS - 1) for i in range(CLIENTS)}, "labels of the shared pod")
    left = [p for p in lab.api.get("/api/v1/pods")["items"]
            if p["metadata"]["namespace"].startswith("stress-")]
    equal(len(left), CLIENTS * ((OBJECTS + 1) // 2), "pods left")
    equal(watchers[1].events, watchers[0].events, "what the second watch saw")
    equal(watchers[2].events, watchers[0].events, "what the third watch saw")
    versions = [v for _, _, v in watchers[0].events]
    check(versions == sorted(versions), "events out of order")
    made = sum(kind == "ADDED" for kind, _, _ in watchers[0].events)
    equal(made, CLIENTS * OBJECTS + 1, "pods seen coming")
    gone = sum(kind == "DELETED" for kind, _, _ in watchers[0].events)
    equal(gone, CLIENTS * (OBJECTS // 2), "pods seen going")


@test
def a_watcher_that_does_not_read_costs_little(lab):
    lab.api.call("POST", "/api/v1/namespaces", namespace("stress"))
    lab.api.call("POST", PODS.format("stress"), pod("stress/fat", None))
    lazy = [raw(lab) for _ in range(20)]
    for s in lazy:
        s.sendall(b"GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
    before = controller_mb(lab)
    for k in range(150):  # Of 50 kB each: 150 MB for 20 watchers, if all were kept.
        lab.api.merge(f"{PODS.format('stress')}/fat",
                      {"metadata": {"annotations": {"fat": str(k % 10) * 50000}}})
    # 64 MB for all watchers are kept, and the changes themselves: 100 MB seen, 180 without a bound.
    check_growth(lab, before, 130)
    lab.api.get("/api/v1/pods")
    for s in lazy:
        s.close()
    lab.api.call("DELETE", f"{PODS.format('stress')}/fat")


def rude(lab, data):
    """Sends it, and what it can of an endless body; the answer's first line, or ""."""
    s = raw(lab)
    try:
        s.sendall(data)
        s.settimeout(0.2)
        answer = b""
        for _ in range(64):
            try:
                s.sendall(b"x" * 1000000)
            except socket.timeout:
                pass
            try:
                answer += s.recv(4096)
            except socket.timeout:
                pass
            if answer:
                break
        return answer.partition(b"\r\n")[0].decode()
    except OSError:
        return ""
    finally:
        s.close()


@test
def bodies_without_end_are_refused(lab):
    before = controller_mb(lab)
    head = b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for data in (head + b"Content-Length: 99999999999\r\n\r\n",
                 head + b"Content-Length: -1\r\n\r\n",
                 head + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
                 b"GET /" + b"a" * 2000000 + b" HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300000):
        answer = rude(lab, data)
        check(" 2" not in answer[:12], f"{data[:60]!r}: {answer}")
    deep = "[" * 100000
    s = raw(lab)
    s.sendall(head + b"Content-Length: %d\r\n\r\n%s" % (len(deep), deep.encode()))
    check(b" 4" in s.recv(64)[:13], "a body of brackets is not refused")
    s.close()
    check_growth(lab, before, 50)
    lab.api.get("/api/v1/namespaces")


@test
def idle_and_broken_connections_do_not_stop_others(lab):
    idle = [raw(lab) for _ in range(400)]
    for i, s in enumerate(idle):
        if i % 2:
            s.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    lab.api.call("POST", "/api/v1/namespaces", namespace("stress"))
    for s in idle:
        s.close()
    wait_until(lambda: len(lab.api.get("/api/v1/namespaces")["items"]) > 0, 10, "the API")
    try:
        lab.api.call("POST", "/api/v1/namespaces", namespace("stress"))
        check(False, "a namespace was made twice")
    except ApiError as e:
        equal(e.code, 409, "the answer to a second creation")


@test
def a_full_connection_table_lets_nobody_in(lab):
    """Conntrack's limit is reached: new connections fail, and what is denied stays denied."""
    lab.apply(pod("stress/server", "node-1", role="server"), pod("stress/client", "node-1", role="client"),
              pod("stress/stranger", "node-1", role="stranger"),
              policy("stress/server", {"role": "server"}, ingress=[
                  rule("from", [pods_peer(role="client")], ["80/TCP"])]))
    table = allowed(("stress/client", "stress/server", "80/TCP"))
    strangers = denied(("stress/stranger", "stress/server", "80/TCP"))
    lab.expect(table + strangers)
    before = lab.node("node-1", "ovs-appctl", "dpctl/ct-get-maxconns").strip()
    try:
        lab.node("node-1", "ovs-appctl", "dpctl/flush-conntrack")
        lab.node("node-1", "ovs-appctl", "dpctl/ct-set-maxconns", "1")
        lab.expect(strangers * 4, "with a full table")
    finally:
        lab.node("node-1", "ovs-appctl", "dpctl/ct-set-maxconns", before)
    lab.expect(table + strangers, "afterwards")
