"""Up and down: the namespaces and links of a lab, and its daemons in order.

     underlay namespace: bridge br0, 172.30.0.0/24, fd00:172:30::/64
           |            |                  |
         eth0         eth0               eth0
     +--node-1--+  +--node-2--+     +---world-----------------+
     | br-phy   |  | br-phy   |     | 172.30.0.254: gateway   |
     | .1 VTEP  |  | .2 VTEP  |     | 203.0.113.1 198.51.100.1|
     | br-int   |  | br-int   |     | answers on every port   |
     +-|-|-|----+  +-|-|------+     +-------------------------+
      pods          pods

Everything outside the cluster is the world namespace: the nodes' default
gateway, with two addresses of each family from the documentation ranges.  It has
a route to each pod through the pod's node, so that it can knock from outside."""
import glob
import os
from concurrent.futures import ThreadPoolExecutor

from .parts import GATEWAY, GATEWAY6, Parts
from .system import (LabError, end_processes, in_netns, pids_in_netns, read_pid, run, say)

WORLD_IPS = ["203.0.113.1", "198.51.100.1"]
WORLD_IP6S = ["2001:db8:113::1", "2001:db8:100::1"]
# What "up --dual-stack" gives to controller and agents.
DUAL_STACK_CIDRS = "10.128.0.0/9,fd00:10::/48"
MAX_NODES = 50
# Any port of the world leads to this one, where the listener is.
WORLD_PORT = 7

WORLD_FIREWALL = """
table inet lab {
    chain prerouting {
        type nat hook prerouting priority dstnat
        iifname "eth0" meta l4proto { tcp, udp } redirect to :%d
    }
}
""" % WORLD_PORT


def build_labpod(inst):
    """The Makefile does this; here for a lab started straight from a checkout."""
    sources = glob.glob(os.path.join(inst.root, "scripts", "lab*.[ch]"))
    target = os.path.join(inst.build(), "bin", "labpod")
    if (os.path.exists(target)
            and os.stat(target).st_mtime >= max(os.stat(s).st_mtime for s in sources)):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.{os.getpid()}.tmp"
    run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", temporary,
         *(s for s in sources if s.endswith(".c"))])
    os.replace(temporary, target)


def up(inst, n_nodes, keep, dual_stack=False):
    """Starts a lab; False if one is up already."""
    if not 1 <= n_nodes <= MAX_NODES:
        raise LabError(f"--nodes: between 1 and {MAX_NODES}")
    with inst.locked():
        if inst.is_up():
            return False
        _clean(inst, keep_lock=True)  # What an interrupted start left.
        try:
            _start(inst, n_nodes, dual_stack)
        except BaseException:
            if not keep:
                _clean(inst)
            raise
    return True


def down(inst):
    """Removes every trace; True if there was anything."""
    if not inst.exists():
        return False
    with inst.locked():
        _clean(inst)
    return True


def _start(inst, n_nodes, dual_stack):
    inst.save_settings(root=inst.root, name=inst.name, nodes=n_nodes, build=inst.build(),
                       cidrs=DUAL_STACK_CIDRS if dual_stack else None)
    nodes, parts = inst.nodes(), Parts(inst)
    for program in ("virga-controller", "virga-agent", "virga-cni", "virgactl"):
        inst.program(program)
    build_labpod(inst)
    _make_underlay(inst, nodes)
    parts.start_db()
    with ThreadPoolExecutor(len(nodes) + 2) as pool:
        jobs = [pool.submit(parts.start_controller), pool.submit(_start_world, inst)]
        jobs += [pool.submit(_start_node, parts, node) for node in nodes]
        for job in jobs:
            job.result()
    parts.wait_nodes_ready(nodes)
    inst.write("ready", {})


def _start_node(parts, node):
    parts.start_ovs(node)
    parts.start_agent(node)


def _make_underlay(inst, nodes):
    roles = ["underlay", "world", *nodes]
    for role in roles:
        inst.record_netns(inst.netns(role))
    run(["ip", "-batch", "-"], stdin="".join(f"netns add {inst.netns(r)}\n" for r in roles))
    links = ["link add br0 type bridge", "link set br0 up"]
    for role in roles[1:]:
        links += [f"link add {role} type veth peer name eth0 netns {inst.netns(role)}",
                  f"link set {role} master br0 up"]
    run(["ip", "-n", inst.netns("underlay"), "-batch", "-"], stdin="\n".join(links) + "\n")
    for node in nodes:
        run(["ip", "-n", inst.netns(node), "-batch", "-"],
            stdin="link set lo up\nlink set eth0 up\n")
        # As a machine in a data centre: static addresses, no router advertisements.  eth0
        # is a port of br-phy: the kernel must not answer ARP there for br-phy's address,
        # with a MAC that leads nowhere.
        run(in_netns(inst.netns(node), ["sysctl", "-qw", "net.ipv4.ip_forward=1",
                                        "net.ipv6.conf.default.accept_ra=0",
                                        "net.ipv4.conf.eth0.arp_ignore=8"]))


def _start_world(inst):
    netns = inst.netns("world")
    addresses = "".join([*(f"addr add {ip}/32 dev lo\n" for ip in WORLD_IPS),
                         *(f"addr add {ip}/128 dev lo nodad\n" for ip in WORLD_IP6S)])
    run(["ip", "-n", netns, "-batch", "-"],
        stdin=f"link set lo up\n{addresses}addr add {GATEWAY}/24 dev eth0\n"
              f"addr add {GATEWAY6}/64 dev eth0 nodad\nlink set eth0 up\n")
    # The userspace datapath of the nodes needs whole checksums, as from a wire.
    run(in_netns(netns, ["ethtool", "-K", "eth0", "tx", "off"]))
    run(in_netns(netns, ["nft", "-f", "-"]), stdin=WORLD_FIREWALL)
    start_listener(inst, "world", netns, "world", [f"tcp:{WORLD_PORT}", f"udp:{WORLD_PORT}"])


def start_listener(inst, process, netns, name, ports):
    """A labpod that answers 'name'; returns when all ports are open."""
    pidfile = inst.path("run", f"{process}.pid")
    os.makedirs(os.path.dirname(pidfile), exist_ok=True)
    inst.record_process(process, pidfile)
    run([inst.program("labpod"), f"--netns=/run/netns/{netns}", f"--pidfile={pidfile}",
         "listen", name, *ports])


def stop_listener(inst, process):
    pidfile = inst.processes().get(process)
    if pidfile:
        end_processes(lambda: [p for p in [read_pid(pidfile)] if p])
        if os.path.exists(pidfile):
            os.unlink(pidfile)
        inst.forget("process", process)


def _clean(inst, keep_lock=False):
    """From the book alone, so that it works whatever happened before."""
    def recorded():
        pids = {p for f in inst.processes().values() if (p := read_pid(f))}
        for netns in inst.namespaces():
            pids.update(pids_in_netns(netns))
        return pids

    end_processes(recorded)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(inst.delete_netns, inst.namespaces()))
    inst.settings = {}
    inst.remove_files(keep_lock)


def announce(inst):
    parts = Parts(inst)
    say(f"lab \"{inst.name}\" is up: {', '.join(inst.nodes())}")
    say(f"  API      {parts.api_url()}  and unix:{parts.api.socket_path}")
    say(f"  token    {inst.path('controller', 'token')}")
    say(f"  logs     {inst.path('log')}")
    say("  next     scripts/lab apply -f tests/examples/shop    scripts/lab --help")
