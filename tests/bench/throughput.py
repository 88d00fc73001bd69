"""W8: bulk TCP, and what it costs the switch."""
import json
import subprocess

from benchlib import lab as labs
from benchlib import processes
from benchlib.context import BenchError
from benchlib.ovn_pods import OvnPods
from benchlib.table import Row
from lablib.system import in_netns, run as command

NAME = "W8"
TITLE = "throughput: iperf3, and Gbit/s for each core that ovs-vswitchd takes"
PEERS = ("virga", "ct", "ovn")
WAYS = {"near": "one node", "far": "two nodes"}
STREAMS = (1, 8)
PORT = labs.PORT
N_RULES = 100  # And the policy that lets the clients in.
ROWS = tuple(Row(f"{way}_{n}{suffix}", unit, f"{words}, {n} stream{'s' if n > 1 else ''}{of}",
                 ((">=", 1, "ovn"),))
             for way, words in WAYS.items() for n in STREAMS
             for suffix, unit, of in (("", "Gbit/s", ""), ("_per_cpu", "Gbit/s", " per core")))


def iperf(ctx, pods, client, streams):
    """(Gbit/s, the same for each core of vswitchd's), from an empty conntrack, like W7."""
    pods.flush_conntrack()
    seconds = max(1, round(4 * min(ctx.scale, 1)))
    server = subprocess.Popen(in_netns(pods.netns("server"),
                                       ["iperf3", "-s", "-1", "-p", str(PORT), "--forceflush"]),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        while "listening" not in server.stdout.readline():
            if server.poll() is not None:
                raise BenchError("iperf3 does not listen")
        pids = pods.vswitchd_pids()
        before = processes.watch(pids)
        done = command(in_netns(pods.netns(client),
                                ["iperf3", "-c", pods.ips["server"], "-p", str(PORT), "-J", "-t",
                                 str(seconds), "-P", str(streams)]), timeout=60 + seconds)
        cpu = sum(processes.spent(pids, before).values())
        if None in pids.values() or pods.vswitchd_pids() != pids:
            raise BenchError(f"an ovs-vswitchd died under iperf3 from {client}")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    end = json.loads(done.stdout)["end"]["sum_received"]
    gbits = end["bits_per_second"] / 1e9
    return gbits, gbits * end["seconds"] / max(cpu, 0.01)


def measure(ctx, pods, way, n):
    gbits, per_cpu = iperf(ctx, pods, way, n)
    return {f"{way}_{n}": gbits, f"{way}_{n}_per_cpu": per_cpu}


def measure_protected(ctx, pods, way, n):
    figures = measure(ctx, pods, way, n)
    pods.check_denied()
    return figures


def run(ctx):
    lab = labs.start(ctx)
    labs.make_peers(lab)
    pods, bridge, ovn = labs.VirgaPods(lab), labs.CtBridge(lab), OvnPods(ctx)
    labs.warm_up([pods, bridge, ovn])
    # Without a rule OVN would track no connection, and the others do.
    for protected in (pods, ovn):
        protected.set_rules(N_RULES)
    result = ctx.in_turn({"virga": lambda *leg: measure_protected(ctx, pods, *leg),
                          "ct": lambda *leg: measure(ctx, bridge, *leg),
                          "ovn": lambda *leg: measure_protected(ctx, ovn, *leg)},
                         legs=[(way, n) for way in WAYS for n in STREAMS])
    ovn.close()
    labs.stop(lab)
    return result
