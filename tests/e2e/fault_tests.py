"""Dead daemons: what is there keeps forwarding and enforcing, and comes back the same."""
import os
import re
import signal
import socket
import threading
from contextlib import contextmanager

from e2elib.harness import allowed, denied, wait_until
from e2elib.objects import namespace, pod, pods_peer, policy, rule
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, Ear, open_socket
from lablib.system import read_pid

SERVER, NEAR, FAR = "f/server", "f/near", "f/far"
GOOD_PORT, BAD_PORT = 80, 81


def stage(lab):
    lab.apply(namespace("f"), pod(SERVER, "node-1", ["80/TCP", "81/TCP", "80/UDP"], app="server"),
              pod(NEAR, "node-1", app="client"), pod(FAR, "node-2", app="client"),
              policy("f/p", {"app": "server"}, ingress=[
                  rule("from", [pods_peer(app="client")], ["80/TCP"])]))


RIGHT = (allowed((NEAR, SERVER, 80), (FAR, SERVER, 80))
         + denied((NEAR, SERVER, 81), (FAR, SERVER, 81), (FAR, SERVER, "80/UDP")))


@contextmanager
def traffic(lab):
    """Connections that must live and datagrams that must not arrive, all the while."""
    connections = {n: Connection(lab.netns(n), lab.ip(SERVER), GOOD_PORT) for n in (NEAR, FAR)}
    stop, lost = threading.Event(), []

    def talk(name, connection):
        count = 0
        while not stop.is_set():
            count += 1
            if not connection.echo(f"line {count}", timeout=10):
                lost.append(f"the connection of {name} died at line {count}")
                return
        if not count:
            lost.append(f"the connection of {name} was never used")

    def knock(name):
        while not stop.is_set():
            sock = open_socket(lab.netns(name), socket.SOCK_DGRAM)
            sock.sendto(b"knock", (lab.ip(SERVER), GOOD_PORT))
            sock.close()

    workers = [threading.Thread(target=talk, args=item) for item in connections.items()]
    workers += [threading.Thread(target=knock, args=(name,)) for name in (NEAR, FAR)]
    with Ear(lab.netns(SERVER), "eth0") as ear:
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            stop.set()
            for worker in workers:
                worker.join()
    for connection in connections.values():
        connection.close()
    check(not lost, "; ".join(lost))
    arrived = [f for f in ear.heard(protocol=17, dport=GOOD_PORT) if not f.outgoing]
    equal(len(arrived), 0, "denied datagrams that arrived")


@test
def agent_restart_keeps_connections_and_denials(lab):
    stage(lab)
    with traffic(lab):
        for node in ("node-1", "node-2"):
            lab.run("kill", "agent", node)
            lab.expect(RIGHT, f"with the agent of {node} dead")
            lab.run("start", "agent", node)
            lab.parts.wait_nodes_ready(lab.inst.nodes())
            lab.expect(RIGHT, f"after the agent of {node} came back")


@test
def agent_restart_takes_over_what_changed_meanwhile(lab):
    stage(lab)
    lab.run("kill", "agent", "node-1")
    lab.api.merge("/apis/networking.k8s.io/v1/namespaces/f/networkpolicies/p",
                  {"spec": {"ingress": [rule("from", None, ["81/TCP"])]}})
    lab.expect(RIGHT, "the old policy holds while the agent is dead")
    lab.run("start", "agent", "node-1")
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    lab.api.sync()
    lab.expect(allowed((NEAR, SERVER, 81), (FAR, SERVER, 81))
               + denied((NEAR, SERVER, 80), (FAR, SERVER, 80)))


@test
def agent_restart_does_not_touch_good_flows(lab):
    """A restarted agent finds its flows in the switch and leaves them: ages go on."""
    stage(lab)

    def oldest():
        dump = lab.node("node-1", "ovs-ofctl", "dump-flows", "br-int")
        ages = [float(word[9:-2]) for line in dump.splitlines()
                for word in line.split() if word.startswith("duration=")]
        return len(ages), min(ages)
    before = oldest()
    lab.run("kill", "agent", "node-1")
    lab.run("start", "agent", "node-1")
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    after = oldest()
    check(after[1] >= before[1], f"the youngest flow was {before[1]} s old and is {after[1]} s now")


def agent_command(lab, node, *command):
    return "ovs-appctl", "-t", lab.inst.path(node, "agent", "virga-agent.ctl"), *command


def ask_agent(lab, node, *command):
    return lab.node(node, *agent_command(lab, node, *command))


def refusal(lab, *command):
    """What the agent of node-1 says why it does not do that."""
    argv = agent_command(lab, "node-1", *command)
    done = lab.run("node", "node-1", "--", *argv, check_status=False)
    check(done.returncode, f"{command} did not fail")
    return done.stderr


def answers_with_at_least(answer, generation):
    found = re.fullmatch(r"generation (\d+) is applied\n", answer)
    check(found and int(found[1]) >= generation, f"{answer!r} to a wait for {generation}")


def generations(lab):
    """(wanted, applied), as the agent of node-1 says."""
    return tuple(map(int, re.search(r"generation: (\d+) wanted, (\d+) applied",
                                    ask_agent(lab, "node-1", "show")).groups()))


def has_settled(lab, node):
    return os.path.exists(lab.inst.path(node, "agent", "settled"))


def connects(lab, name):
    sock = open_socket(lab.netns(name), socket.SOCK_STREAM)
    sock.settimeout(0.5)
    try:
        sock.connect((lab.ip(SERVER), GOOD_PORT))
        return True
    except OSError:
        return False
    finally:
        sock.close()


@test
def agent_restart_looks_at_no_connection_if_all_was_settled(lab):
    """To read them would stop the datapath for some microseconds for each."""
    stage(lab)
    wait_until(lambda: has_settled(lab, "node-1"), 10, "all to be settled")
    connection = Connection(lab.netns(FAR), lab.ip(SERVER), GOOD_PORT)
    lab.run("kill", "agent", "node-1")
    lab.run("start", "agent", "node-1")
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    wait_until(lambda: has_settled(lab, "node-1"), 10, "all to be settled again")
    equal(ask_agent(lab, "node-1", "revocation/show"),
          "idle; 0 passes, 0 connections looked at, 0 cut, 0 guards\n", "after the restart")
    check(connection.echo("still there"), "the connection did not survive")
    connection.close()
    lab.patch("/api/v1/namespaces/f/pods/far", {"metadata": {"labels": {"app": "other"}}})
    lab.expect(denied((FAR, SERVER, 80)), "a later change")


@test
def agent_that_dies_with_something_to_cut_cuts_it_in_its_next_life(lab):
    """The switch has the flows of the new policy, so only the mark tells."""
    stage(lab)
    lab.apply(pod("f/other", "node-2", app="other"))
    connection = Connection(lab.netns(FAR), lab.ip(SERVER), GOOD_PORT)
    check(connection.echo("before"), "the connection does not work")
    wait_until(lambda: has_settled(lab, "node-1"), 10, "all to be settled")
    vswitchd = read_pid(lab.inst.processes()["vswitchd-node-1"])
    os.kill(vswitchd, signal.SIGSTOP)
    try:
        lab.api.merge("/api/v1/namespaces/f/pods/far", {"metadata": {"labels": {"app": "other"}}})
        wait_until(lambda: not has_settled(lab, "node-1"), 10, "the agent to see the change")
        ask_agent(lab, "node-1", "revocation/show")  # Its turn is over: the flow is sent.
        lab.run("kill", "agent", "node-1")
    finally:
        os.kill(vswitchd, signal.SIGCONT)
    wait_until(lambda: not connects(lab, FAR), 10, "the switch to take what the dead agent sent")
    check(connection.echo("the dead agent cut nothing"), "it cut the connection")
    lab.run("start", "agent", "node-1")
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    lab.api.sync()
    wait_until(lambda: ", 0 cut" not in ask_agent(lab, "node-1", "revocation/show"),
               10, "the next life to cut the connection")
    check(not connection.echo("after", timeout=2), "the connection goes on")
    connection.close()


@test
def controller_dead_agents_enforce(lab):
    stage(lab)
    with traffic(lab):
        lab.run("kill", "controller")
        lab.expect(RIGHT, "with the controller dead")
        lab.run("start", "controller")
        lab.parts.wait_nodes_ready(lab.inst.nodes())
    lab.expect(RIGHT, "after the controller came back")


@test
def database_dead_agents_forward(lab):
    stage(lab)
    with traffic(lab):
        lab.run("kill", "db")
        lab.expect(RIGHT, "with the database dead")
        lab.run("start", "db")
        wait_until(lab.parts.controller_answers, 30, "the controller to lead again")
        lab.parts.wait_nodes_ready(lab.inst.nodes())
    lab.expect(RIGHT, "after the database came back")
    lab.delete("networkpolicy", "f/p")
    lab.expect(allowed((NEAR, SERVER, 81), (FAR, SERVER, "80/UDP")))


@test
def everything_dead_and_back_is_the_same(lab):
    stage(lab)

    def picture():
        status = lab.api.status()
        objects = {}
        for path in ("/api/v1/namespaces", "/api/v1/pods",
                     "/apis/networking.k8s.io/v1/networkpolicies"):
            for o in lab.api.get(path)["items"]:
                objects[path, o["metadata"].get("namespace"), o["metadata"]["name"]] = (
                    o["metadata"]["uid"], o.get("spec"), o["metadata"].get("creationTimestamp"))
        return (objects, sorted((p["namespace"], p["name"], p["ips"], p["identity"], p["endpoint"])
                                for p in status["pods"]),
                sorted((n["name"], n["vni"], n["zone"], n["subnets"]) for n in status["networks"]))

    def rules():
        return {r["id"]: r["policy"] for r in lab.api.get("/virga/v1/stats")["rules"]}

    rules_before = rules()
    before = picture()
    lab.run("kill", "controller")
    lab.run("kill", "db")
    for node in lab.inst.nodes():
        lab.run("kill", "agent", node)
    lab.expect(RIGHT, "with everything dead")
    lab.run("start", "db")
    lab.run("start", "controller")
    for node in lab.inst.nodes():
        lab.run("start", "agent", node)
    lab.parts.wait_nodes_ready(lab.inst.nodes())
    after = picture()
    for name, was, now in zip(("objects", "pods", "networks"), before, after):
        equal(now, was, name)
    equal(rules(), rules_before, "rule ids")
    lab.expect(RIGHT, "after everything came back")
    lab.apply(pod("f/new", "node-2", app="client"))
    check(lab.ip("f/new") not in [lab.ip(n) for n in (SERVER, NEAR, FAR)], "an address twice")
    lab.expect(allowed(("f/new", SERVER, 80)) + denied(("f/new", SERVER, 81)))


@test
def switch_left_alone_when_controller_and_database_are_empty_handed(lab):
    """An agent that starts while the database is away keeps what the switch has."""
    stage(lab)
    with traffic(lab):
        lab.run("kill", "db")
        lab.run("kill", "agent", "node-1")
        lab.run("start", "agent", "node-1")
        lab.expect(RIGHT, "with no database to read")
        lab.run("start", "db")
        wait_until(lab.parts.controller_answers, 30, "the controller to lead again")
        lab.parts.wait_nodes_ready(lab.inst.nodes())
    lab.expect(RIGHT)


@test
def who_waits_for_a_generation_is_answered_when_the_switch_has_it(lab):
    stage(lab)
    before = generations(lab)[0]
    answers_with_at_least(ask_agent(lab, "node-1", "wait", str(before)), before)
    answers = []
    vswitchd = read_pid(lab.inst.processes()["vswitchd-node-1"])
    os.kill(vswitchd, signal.SIGSTOP)
    try:
        lab.api.merge("/api/v1/namespaces/f/pods/far", {"metadata": {"labels": {"app": "other"}}})
        wait_until(lambda: generations(lab)[0] > before, 10, "the agent to see the change")
        wanted = str(generations(lab)[0])
        waiting = threading.Thread(
            target=lambda: answers.append(ask_agent(lab, "node-1", "wait", wanted, "30")))
        waiting.start()
        check("not yet: generation " in refusal(lab, "wait", wanted, "1"),
              "a wait of one second did not fail while the switch stood still")
        equal(answers, [], "while the switch stands still")
    finally:
        os.kill(vswitchd, signal.SIGCONT)
    waiting.join(30)
    equal(len(answers), 1, "when the switch goes on")
    answers_with_at_least(answers[0], int(wanted))
    for word in ("x", "-1", "0"):
        check("not a number from 1" in refusal(lab, "wait", word), f"{word} was taken")
    check("from 0 to 3600" in refusal(lab, "wait", wanted, "3601"), "it would wait too long")
