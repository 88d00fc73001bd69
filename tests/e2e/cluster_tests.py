"""The lab itself: its contract, two labs side by side, and no trace of one that is down."""
import json
import os
import signal
import subprocess

from e2elib.harness import Lab
from e2elib.objects import namespace, pod
from e2elib.runner import check, equal, test
from lablib.system import wait_until


def world_of(lab):
    """Everything on the machine that could be a trace of this lab."""
    marks = [lab.inst.dir.encode(), lab.inst.netns("").encode()]
    found = [f"/run/netns/{n}" for n in os.listdir("/run/netns") if lab.inst.netns("") in n]
    if os.path.exists(lab.inst.dir):
        found.append(lab.inst.dir)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                cmdline = f.read()
        except OSError:
            continue
        if any(mark in cmdline for mark in marks):
            found.append(f"{pid} {cmdline.replace(bytes(1), b' ').decode()}")
    return found


def links():
    out = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout
    return sorted(link["ifname"] for link in json.loads(out))


@test
def status_has_the_contracts_form(lab):
    lab.apply(namespace("l"), pod("l/a", "node-1"), pod("l/b", "node-2"))
    status = json.loads(lab.run("status", "--json").stdout)
    check(status["api"].startswith("http://127.0.0.1:"), f"api: {status['api']}")
    equal(status["nodes"], [{"name": "node-1", "vtep": "172.30.0.1", "ready": True},
                            {"name": "node-2", "vtep": "172.30.0.2", "ready": True}], "nodes")
    equal([(p["namespace"], p["name"], p["node"], p["ips"]) for p in status["pods"]],
          [("l", "a", "node-1", [lab.ip("l/a")]), ("l", "b", "node-2", [lab.ip("l/b")])], "pods")
    pod_status = lab.get_pod("l/a")["status"]
    equal((pod_status["phase"], pod_status["podIP"], pod_status["hostIP"]),
          ("Running", lab.ip("l/a"), "172.30.0.1"), "status of the pod object")
    lab.run("kill", "agent", "node-2")
    ready = {n["name"]: n["ready"] for n in json.loads(lab.run("status", "--json").stdout)["nodes"]}
    equal(ready, {"node-1": True, "node-2": False}, "readiness with a dead agent")


@test
def up_refuses_politely_if_one_is_up(lab):
    before = lab.run("status", "--json").stdout
    done = lab.run("up", check_status=False)
    equal(done.returncode, 1, "exit code")
    check("scripts/lab down" in done.stderr, f"no next step in: {done.stderr}")
    equal(lab.run("status", "--json").stdout, before, "the lab that was up")


@test
def apply_goes_on_where_a_crash_left_it(lab):
    path = lab.write("\n---\n".join(json.dumps(o) for o in [
        namespace("l"), *(pod(f"l/p{i}", f"node-{1 + i % 2}") for i in range(6))]))
    victim = subprocess.Popen([os.path.join(lab.root, "scripts", "lab"), "apply", "-f", path],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.isdir(lab.inst.path("pods")) and os.listdir(lab.inst.path("pods")),
               30, "the first pod", interval=0.001)
    victim.kill()
    victim.wait()
    lab.run("apply", "-f", path)
    lab.expect([(f"l/p{i}", f"l/p{j}", 80, "allowed") for i in range(6) for j in range(6)])


@test
def pod_of_the_same_name_is_another_pod(lab):
    """Deleted and made again behind the lab's back: another uid, another sandbox."""
    lab.apply(namespace("l"), pod("l/a", "node-1"), pod("l/b", "node-2"))
    lab.ctl("delete", "pod", "-n", "l", "a")
    lab.apply(pod("l/a", "node-2", ["8080/TCP"]))
    equal(lab.inst.pods()["l", "a"]["uid"], lab.get_pod("l/a")["metadata"]["uid"], "uid")
    lab.expect([("l/b", "l/a", 8080, "allowed"), ("l/b", "l/a", 80, "rejected"),
                ("l/a", "l/b", 80, "allowed")])


@test
def commands_without_a_lab_say_what_to_do(lab):
    other = Lab(lab.root, f"{lab.name}-none")
    for argv in (["probe"], ["connect", "a/b", "c/d", "80"], ["apply", "-f", "x"], ["env"]):
        done = other.run(*argv, check_status=False)
        check(done.returncode not in (0, 2) and "scripts/lab up" in done.stderr,
              f"{argv[0]}: exit {done.returncode}, {done.stderr}")
    equal(other.run("down").returncode, 0, "down without a lab")
    check(not os.path.exists(other.inst.dir), "a lab that never was left a directory")


@test
def tokens_guard_the_tcp_api(lab):
    env = dict(line[7:].split("=", 1) for line in lab.run("env").stdout.splitlines()
               if line.startswith("export "))
    url, token_file = env["VIRGA_API_URL"].strip("'"), env["VIRGA_TOKEN_FILE"].strip("'")
    equal(oct(os.stat(token_file).st_mode & 0o777), "0o600", "mode of the token file")

    def get(path, *options):
        return subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options,
                               url + path], capture_output=True, text=True, check=True).stdout
    with open(token_file, encoding="ascii") as f:
        token = f.read().strip()
    equal(get("/api/v1/pods"), "401", "without a token")
    equal(get("/api/v1/pods", "-H", "Authorization: Bearer nonsense"), "401", "with a wrong token")
    equal(get("/api/v1/pods", "-H", f"Authorization: Bearer {token}"), "200", "with the token")
    equal(get("/healthz"), "200", "health without a token")


@test
def two_labs_do_not_meet_and_down_leaves_no_trace(lab):
    lab.apply(namespace("l"), pod("l/a", "node-1"), pod("l/b", "node-2"))
    links_before = links()
    other = Lab(lab.root, f"{lab.name}-2", nodes=3)
    other.start()
    try:
        other.apply(namespace("l"), pod("l/a", "node-1"), pod("l/c", "node-3"))
        other.expect([("l/a", "l/c", 80, "allowed"), ("node-2", "l/c", 80, "allowed")])
        lab.expect([("l/a", "l/b", 80, "allowed")])
        # Something that a user left running in a pod goes with the pod.
        subprocess.Popen(["ip", "netns", "exec", other.netns("l/a"), "tail", "-f", "/dev/null"])
    finally:
        other.stop()
    equal(world_of(other), [], "traces")
    equal(links(), links_before, "links of the machine")
    lab.expect([("l/a", "l/b", 80, "allowed")])
    equal(other.run("down").returncode, 0, "a second down")


@test
def down_cleans_up_after_a_crash_at_any_point(lab):
    """SIGKILL to "up" at several moments of its life; down, then up again works."""
    other = Lab(lab.root, f"{lab.name}-2", nodes=2)
    book = other.inst.path("made")
    moments = {"namespaces": lambda: os.path.exists(os.path.join(book, "netns")),
               "database": lambda: os.path.exists(os.path.join(book, "process", "db")),
               "switches": lambda: os.path.exists(os.path.join(book, "process", "vswitchd-node-2")),
               "agents": lambda: os.path.exists(os.path.join(book, "process", "agent-node-1"))}
    for what, reached in moments.items():
        victim = subprocess.Popen([os.path.join(lab.root, "scripts", "lab"), "up"],
                                  env={**os.environ, "VIRGA_LAB": other.name},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(reached, 30, f"the lab to come as far as its {what}", interval=0.001)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        other.run("down")
        equal(world_of(other), [], f"traces of a lab that died at its {what}")
    victim = subprocess.Popen([os.path.join(lab.root, "scripts", "lab"), "up"],
                              env={**os.environ, "VIRGA_LAB": other.name},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(moments["switches"], 30, "the lab to start its switches", interval=0.001)
    victim.kill()
    victim.wait()
    other.run("up", "--nodes", "1")  # Straight over the remains.
    other.refresh()
    equal(other.inst.nodes(), ["node-1"], "nodes of the new lab")
    other.run("down")
    equal(world_of(other), [], "traces")
