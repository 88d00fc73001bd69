"""The CNI plugin, called as a runtime calls it: by environment, standard input and output."""
import json
import os
import subprocess
from contextlib import contextmanager

from e2elib.harness import allowed
from e2elib.objects import namespace, pod, policy
from e2elib.runner import check, equal, test
from lablib import pods as lab_pods
from lablib.system import in_netns

POD = "c/pod"


def invoke(lab, command, record, **options):
    """(exit code, decoded output)."""
    done = lab_pods.cni(lab.inst, command, record, check=False, **options)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None


@contextmanager
def spare_netns(lab, name="spare"):
    netns = lab.inst.netns(name)
    lab.inst.record_netns(netns)
    subprocess.run(["ip", "netns", "add", netns], check=True)
    try:
        yield netns
    finally:
        lab.inst.delete_netns(netns)


def links(netns):
    out = subprocess.run(["ip", "-n", netns, "-j", "link"], capture_output=True, text=True,
                         check=True).stdout
    return sorted(link["ifname"] for link in json.loads(out))


def traces(lab, node="node-1"):
    """What a pod leaves on a node: ports of the bridge and links."""
    ports = lab.node(node, "ovs-vsctl", "list-ports", "br-int").split()
    return sorted(ports), links(lab.inst.netns(node))


@test
def cni_version(lab):
    record = {"namespace": "c", "name": "pod", "uid": "", "node": "node-1"}
    status, answer = invoke(lab, "VERSION", record)
    equal(status, 0, "exit code of VERSION")
    check("1.0.0" in answer["supportedVersions"], f"VERSION: {answer}")


@test
def cni_add_gives_address_route_mtu_and_no_offload(lab):
    lab.apply(namespace("c"), pod(POD, "node-1"))
    result = lab.inst.pods()["c", "pod"]["result"]
    equal(result["cniVersion"], "1.0.0", "cniVersion")
    ip = lab.get_pod(POD)["status"]["podIP"]
    check(any(i["address"].split("/")[0] == ip for i in result["ips"]), f"{ip} not in {result}")
    check(any(i["name"] == "eth0" and i.get("sandbox") for i in result["interfaces"]),
          f"no eth0 in the sandbox: {result['interfaces']}")
    netns = lab.netns(POD)
    show = json.loads(subprocess.run(["ip", "-n", netns, "-j", "-d", "link", "show", "eth0"],
                                     capture_output=True, text=True, check=True).stdout)[0]
    equal(show["mtu"], 1450, "MTU: the underlay's less VXLAN")
    equal(show["address"][:5], "02:56", "MAC")
    features = subprocess.run(in_netns(netns, ["ethtool", "-k", "eth0"]), capture_output=True,
                              text=True, check=True).stdout
    check("tx-checksumming: off" in features, "TX checksum offload is on")
    route = subprocess.run(["ip", "-n", netns, "-j", "route", "show", "default"],
                           capture_output=True, text=True, check=True).stdout
    equal(len(json.loads(route)), 1, "default routes")


@test
def cni_check_sees_what_is_missing(lab):
    lab.apply(namespace("c"), pod(POD, "node-1"))
    record = lab.inst.pods()["c", "pod"]
    status, answer = invoke(lab, "CHECK", record, previous=record["result"])
    equal((status, answer), (0, None), "CHECK of a good pod")
    subprocess.run(["ip", "-n", lab.netns(POD), "link", "del", "eth0"], check=True)
    status, answer = invoke(lab, "CHECK", record, previous=record["result"])
    check(status != 0 and answer and answer.get("msg"), f"CHECK without eth0: {status} {answer}")


@test
def cni_del_twice_and_without_netns(lab):
    before = traces(lab)
    lab.apply(namespace("c"), pod(POD, "node-1"))
    record = lab.inst.pods()["c", "pod"]
    check(traces(lab) != before, "ADD made nothing")
    for i in range(3):
        equal(invoke(lab, "DEL", record, previous=record["result"]), (0, None), f"DEL {i + 1}")
        equal(traces(lab), before, f"ports and links after DEL {i + 1}")
    check("eth0" not in links(lab.netns(POD)), "eth0 is there after DEL")
    equal(invoke(lab, "DEL", {**record, "name": "never-was", "uid": "x"}), (0, None),
          "DEL of a pod that never was")


@test
def cni_add_of_an_unknown_pod_leaves_nothing(lab):
    """The agent waits for the pod to become known, then gives up."""
    before = traces(lab)
    stranger = {"namespace": "c", "name": "stranger", "uid": "no-such-uid", "node": "node-1"}
    with spare_netns(lab) as netns:
        status, answer = invoke(lab, "ADD", stranger, netns=netns)
        check(status != 0, "ADD of a pod that the API does not know succeeded")
        check(answer and answer["code"] == 11, f"not \"try again later\": {answer}")
        check("controller" in answer["details"], f"no hint where to look: {answer}")
        equal(links(netns), ["lo"], "links in the pod's namespace")
        equal(traces(lab), before, "ports and links on the node")


@test
def cni_add_over_a_link_that_is_there_leaves_nothing(lab):
    lab.apply(namespace("c"), pod(POD, "node-1"))
    before = traces(lab)
    second = lab.api.call("POST", "/api/v1/namespaces/c/pods", pod("c/second", "node-1"))
    record = {"namespace": "c", "name": "second", "uid": second["metadata"]["uid"],
              "node": "node-1"}
    with spare_netns(lab) as netns:
        subprocess.run(["ip", "-n", netns, "link", "add", "eth0", "type", "bridge"], check=True)
        status, answer = invoke(lab, "ADD", record, netns=netns)
        check(status != 0 and "eth0" in answer["details"], f"ADD over eth0: {status} {answer}")
        equal(links(netns), ["eth0", "lo"], "links in the pod's namespace")
        equal(traces(lab), before, "ports and links on the node")
        # With the obstacle gone the same ADD works, and its DEL takes all away.
        subprocess.run(["ip", "-n", netns, "link", "del", "eth0"], check=True)
        equal(invoke(lab, "ADD", record, netns=netns)[0], 0, "exit code of ADD")
        equal(links(netns), ["eth0", "lo"], "links in the pod's namespace")
        equal(invoke(lab, "DEL", record, netns=netns)[0], 0, "exit code of DEL")
    equal(traces(lab), before, "ports and links on the node")
    lab.expect(allowed(("node-1", POD, 80)))  # The first pod was not hurt.


@test
def cni_add_without_agent_fails_with_an_error(lab):
    lab.apply(namespace("c"), pod(POD, "node-1"))
    record = {"namespace": "c", "name": "pod-2", "uid": "", "node": "node-1"}
    lab.run("kill", "agent", "node-1")
    with spare_netns(lab) as netns:
        status, answer = invoke(lab, "ADD", record, netns=netns)
        check(status != 0 and answer and answer.get("msg"), f"ADD without agent: {status} {answer}")
        equal(links(netns), ["lo"], "links in the pod's namespace")


@test
def cni_refuses_nonsense(lab):
    program = lab.inst.program("virga-cni")
    good = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "x1", "CNI_NETNS": "/run/netns/none",
            "CNI_IFNAME": "eth0", "CNI_PATH": "/", "PATH": os.environ["PATH"],
            "CNI_ARGS": "K8S_POD_NAMESPACE=c;K8S_POD_NAME=p"}
    conf = json.dumps({"cniVersion": "1.0.0", "name": "virga", "type": "virga-cni",
                       "socket": lab.inst.path("node-1", "agent", "cni.sock")})
    cases = {
        "bad JSON": (good, "{"),
        "no input": (good, ""),
        "unknown command": ({**good, "CNI_COMMAND": "FROB"}, conf),
        "no container id": ({k: v for k, v in good.items() if k != "CNI_CONTAINERID"}, conf),
        "unknown version": (good, conf.replace("1.0.0", "9.9.9")),
        "interface name too long": ({**good, "CNI_IFNAME": "e" * 40}, conf),
        "netns that is none": (good, conf),
    }
    for what, (env, stdin) in cases.items():
        done = subprocess.run([program], env=env, input=stdin, text=True, capture_output=True,
                              check=False, timeout=60)
        check(done.returncode not in (0, -6, -11), f"{what}: exit {done.returncode}")
        try:
            error = json.loads(done.stdout)
        except ValueError:
            error = {}
        check(error.get("code") and error.get("msg"), f"{what}: no CNI error in {done.stdout!r}")


@test
def cni_pod_is_isolated_before_add_returns(lab):
    """The first packet that could leave the pod meets the policy."""
    lab.apply(namespace("c"), pod("c/server", "node-2", app="server"),
              policy("c/shut", {"app": "late"}, egress=[]))
    for i in range(3):
        name = f"c/late-{i}"
        lab.apply(pod(name, "node-1", app="late"))
        lab.expect([(name, "c/server", 80, "denied")])
