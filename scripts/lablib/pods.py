"""Pods: Pod objects of the API made real, as a kubelet and its runtime would.

The API says what should be; a file per pod in the run directory says what is.
sync() makes the second equal the first: CNI DEL for what is gone or moved,
CNI ADD for what is new, a listener per containerPort, and the object's status."""
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

from .cluster import WORLD_IP6S, WORLD_IPS, start_listener, stop_listener
from .parts import Parts, node_ip6, vtep
from .system import LabError, end_processes, in_netns, pids_in_netns, run, warn

CNI_VERSION = "1.0.0"
IFNAME = "eth0"
WORKERS = 8


# --- what should be ------------------------------------------------------


def _wanted(inst, objects):
    """(namespace, name) to pod, for the Pod objects that a node of this lab should run."""
    nodes = set(inst.nodes())
    wanted = {}
    for obj in objects:
        meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
        if (spec.get("nodeName") not in nodes or spec.get("hostNetwork")
                or meta.get("deletionTimestamp")
                or status.get("phase") in ("Succeeded", "Failed")):
            continue
        wanted[meta["namespace"], meta["name"]] = {
            "namespace": meta["namespace"], "name": meta["name"], "uid": meta.get("uid", ""),
            "node": spec["nodeName"], "ports": _container_ports(spec)}
    return wanted


def _mention_strangers(inst, objects):
    for obj in objects:
        node = (obj.get("spec") or {}).get("nodeName")
        if node and node not in inst.nodes():
            warn(f"{obj['metadata']['namespace']}/{obj['metadata']['name']}: "
                 f"no node \"{node}\" in this lab; it has {', '.join(inst.nodes())}")


def _container_ports(spec):
    """["tcp:80", ...] of all containers."""
    ports = set()
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        for port in container.get("ports") or []:
            ports.add((port.get("protocol", "TCP").lower(), port["containerPort"]))
    return [f"{protocol}:{number}" for protocol, number in sorted(ports)]


# --- CNI -------------------------------------------------------------------


def cni(inst, command, pod, netns=None, previous=None, check=True):
    """Calls virga-cni on the pod's node.  'previous' is the result of ADD, for DEL and CHECK."""
    node = pod["node"]
    conf = {"cniVersion": CNI_VERSION, "name": "virga", "type": "virga-cni",
            "socket": inst.path(node, "agent", "cni.sock")}
    if previous:
        conf["prevResult"] = previous
    env = {**os.environ, "CNI_COMMAND": command, "CNI_IFNAME": IFNAME,
           "CNI_CONTAINERID": container_id(pod),
           "CNI_PATH": os.path.dirname(inst.program("virga-cni")),
           "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={pod['namespace']};"
                       f"K8S_POD_NAME={pod['name']};K8S_POD_UID={pod['uid']};"
                       f"K8S_POD_INFRA_CONTAINER_ID={container_id(pod)}"}
    netns = netns or inst.pod_netns(pod["namespace"], pod["name"])
    if os.path.exists(f"/run/netns/{netns}"):
        env["CNI_NETNS"] = f"/run/netns/{netns}"
    done = run(in_netns(inst.netns(node), [inst.program("virga-cni")]),
               stdin=json.dumps(conf), env=env, check=False, timeout=90)
    if done.returncode and check:
        raise LabError(f"CNI {command} on {node}: {_cni_error(done)}")
    return done


def _cni_error(done):
    try:
        error = json.loads(done.stdout)
        return " ".join(filter(None, [error.get("msg"), error.get("details")]))
    except (ValueError, AttributeError):
        return (done.stderr or done.stdout).strip() or f"exit {done.returncode}"


def container_id(pod):
    """As long as a real one; another for every life of the pod on every node."""
    return hashlib.sha256(f"{pod['uid']} {pod['node']}".encode()).hexdigest()


# --- one pod ---------------------------------------------------------------


def _attach(inst, api, pod):
    ns, name = pod["namespace"], pod["name"]
    netns = inst.pod_netns(ns, name)
    inst.record_netns(netns)
    inst.save_pod(pod)  # With no addresses: an ADD that may have begun.
    try:
        run(["ip", "netns", "add", netns])
        run(["ip", "-n", netns, "link", "set", "lo", "up"])
        result = json.loads(cni(inst, "ADD", pod).stdout)
    except (LabError, ValueError) as e:
        try:
            _detach(inst, pod)  # As a runtime does; the next sync tries again.
        except LabError:
            pass  # Nor can it be taken back now: the first reason says more.
        raise e
    pod["result"] = result
    pod["ips"] = [ip["address"].partition("/")[0] for ip in result.get("ips", [])]
    inst.save_pod(pod)
    _listen(inst, pod)
    _report(api, pod)


def _listen(inst, pod):
    """Starts over with the ports of 'pod'."""
    process = _listener(pod)
    stop_listener(inst, process)
    if pod["ports"]:
        start_listener(inst, process, inst.pod_netns(pod["namespace"], pod["name"]),
                       f"{pod['namespace']}/{pod['name']}", pod["ports"])
    inst.save_pod(pod)


def _listener(pod):
    return f"pod-{pod['namespace']}_{pod['name']}"


def _report(api, pod):
    """The status that a kubelet would write."""
    conditions = [{"type": t, "status": "True"}
                  for t in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]
    api.merge(f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/status",
              {"status": {"phase": "Running", "hostIP": vtep(pod["node"]),
                          "podIP": pod["ips"][0], "podIPs": [{"ip": ip} for ip in pod["ips"]],
                          "conditions": conditions}})


def _detach(inst, pod):
    """CNI DEL, then the namespace with all that runs in it."""
    netns = inst.pod_netns(pod["namespace"], pod["name"])
    cni(inst, "DEL", pod, previous=pod.get("result"))
    stop_listener(inst, _listener(pod))
    if netns in inst.namespaces():
        end_processes(lambda: pids_in_netns(netns))
        inst.delete_netns(netns)
    inst.forget_pod(pod)


# --- all pods ----------------------------------------------------------------


def sync(inst, mention=True):
    """Makes the lab's pods what the API says; returns the messages of what failed.

    A pod of a node that this lab has not is left alone; with 'mention', with a word."""
    with inst.locked():
        inst.require_up()
        parts = Parts(inst)
        api, have = parts.api, inst.pods()
        objects = api.get("/api/v1/pods")["items"]
        if mention:
            _mention_strangers(inst, objects)
        want = _wanted(inst, objects)
        gone = [pod for key, pod in have.items() if not _same_life(pod, want.get(key))]
        new = [pod for key, pod in want.items() if not _same_life(have.get(key), pod)]
        failures = _each(gone, lambda pod: _detach(inst, pod))
        # What could not be taken down cannot be set up.
        stuck = {(p["namespace"], p["name"]) for p, _ in failures}
        new = [p for p in new if (p["namespace"], p["name"]) not in stuck]
        failures += _each(new, lambda pod: _attach(inst, api, pod))
        for key in want.keys() & have.keys():
            if _same_life(have[key], want[key]) and have[key]["ports"] != want[key]["ports"]:
                _listen(inst, {**have[key], "ports": want[key]["ports"]})
        _route_from_world(inst)
        return [f"{p['namespace']}/{p['name']}: {e}" for p, e in failures]


def _same_life(a, b):
    return bool(a and b and a["uid"] == b["uid"] and a["node"] == b["node"]
                and (a.get("ips") or b.get("ips")))


def _each(pods, action):
    """Runs action(pod) for all at once; [(pod, exception)] of those that failed."""
    def attempt(pod):
        try:
            action(pod)
            return None
        except (LabError, OSError, ValueError) as e:
            return pod, e
    with ThreadPoolExecutor(WORKERS) as pool:
        return [failure for failure in pool.map(attempt, pods) if failure]


def _route_from_world(inst):
    """The world reaches a pod through the pod's node."""
    for option, ip6, node_ip, source in (("-4", False, vtep, WORLD_IPS[0]),
                                         ("-6", True, node_ip6, WORLD_IP6S[0])):
        routes = {ip: node_ip(p["node"]) for p in inst.pods().values()
                  for ip in p.get("ips", []) if (":" in ip) == ip6}
        _set_routes(["ip", option, "-n", inst.netns("world")], routes, source)


def _set_routes(ip_command, routes, source):
    lines = run([*ip_command, "route", "show", "proto", "77"]).stdout.splitlines()
    have = {words[0]: words[2] for words in map(str.split, lines)}
    batch = [f"route del {ip} proto 77" for ip in have.keys() - routes.keys()]
    batch += [f"route replace {ip} via {via} proto 77 src {source}"
              for ip, via in routes.items() if have.get(ip) != via]
    if batch:
        run([*ip_command, "-batch", "-"], stdin="\n".join(batch) + "\n")
