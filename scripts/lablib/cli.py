"""The commands of scripts/lab."""
import argparse
import json
import os
import subprocess
import sys

from . import cluster, pods, probing
from .instance import Instance
from .parts import Parts, ovs_env, vtep
from .system import LabError, say, warn

EXIT_USAGE = 64  # Not 1 or 2: those are answers of "connect".

EXAMPLES = """\
examples:
  scripts/lab up                               two nodes; --nodes 3 for more
  scripts/lab apply -f tests/examples/shop     a shop with policies, pods made real
  scripts/lab probe                            who reaches whom
  scripts/lab connect shop/frontend-1 shop/redis 6379
  scripts/lab connect --family 6 a/x a/y 80    over IPv6; up --dual-stack gives both
  scripts/lab exec shop/api -- ip addr         in the pod's namespace
  scripts/lab node node-1 -- ovs-ofctl dump-flows br-int
  scripts/lab ctl policy stats                 virgactl, at this lab's API
  eval "$(scripts/lab env)"                    the same for a shell: virgactl get pods
  scripts/lab delete netpol -n shop redis
  scripts/lab kill agent node-1                a crash; scripts/lab start agent node-1
  scripts/lab down                             removes every trace

VIRGA_LAB=NAME selects one of several labs of a checkout.  More in docs/lab.md.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"{self.prog}: {message}; try --help", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def build_parser():
    parser = Parser(prog="scripts/lab", epilog=EXAMPLES,
                    description="A Virga cluster on this machine, with real daemons.",
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True,
                                     parser_class=Parser)

    def command(name, help_text, function):
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(function=function)
        return sub

    sub = command("up", "start a lab and wait until it is ready", do_up)
    sub.add_argument("--nodes", type=int, default=2, metavar="N", help="default: 2")
    sub.add_argument("--dual-stack", action="store_true",
                     help="networks get a subnet of both families, pods an address of each")
    sub.add_argument("--keep", action="store_true",
                     help="keep what is there: a lab that is up already, or the remains of "
                          "one that failed to start")
    command("down", "stop it and remove every trace; also after a crash", do_down)
    sub = command("apply", "apply manifests and make their pods real", do_apply)
    _files(sub, required=True)
    sub = command("delete", "delete objects and their pods", do_delete)
    _files(sub, required=False)
    sub.add_argument("-n", "--namespace")
    sub.add_argument("object", nargs="*", metavar="KIND NAME")
    sub = command("exec", "run a command in a pod's namespace (or \"world\")", do_exec)
    sub.add_argument("place", metavar="NS/POD")
    sub.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    sub = command("node", "run a command in a node's namespace, for its OVS", do_node)
    sub.add_argument("node")
    sub.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    sub = command("ctl", "run virgactl at this lab's API", do_ctl)
    sub.add_argument("argv", nargs=argparse.REMAINDER, metavar="ARGS")
    sub = command("connect", "try one connection; exit 0 allowed, 1 denied, 2 rejected, "
                             "3 could not try", do_connect)
    sub.add_argument("source", metavar="FROM", help="NS/POD, world, or a node")
    sub.add_argument("to", metavar="TO")
    sub.add_argument("port", metavar="PORT[/PROTO]")
    _timeout_json(sub)
    sub = command("probe", "try every pod from every pod", do_probe)
    sub.add_argument("--ports", metavar="80/TCP,81/UDP",
                     help="default: the containerPorts of each pod")
    _timeout_json(sub)
    sub = command("status", "what runs", do_status)
    sub.add_argument("--json", action="store_true")
    command("env", "print shell variables for virgactl", do_env)
    sub = command("kill", "kill a daemon as a crash would", do_kill)
    _part(sub)
    sub = command("start", "start a daemon that was killed", do_start)
    _part(sub)
    return parser


def _files(sub, required):
    sub.add_argument("-f", "--filename", action="append", nargs="+", required=required,
                     default=[] if not required else None, metavar="FILE|DIR")


def _timeout_json(sub):
    sub.add_argument("--family", type=int, choices=[4, 6],
                     help="IPv4 or IPv6 (default: the first that both ends have)")
    sub.add_argument("--timeout", type=float, default=2.0, metavar="S",
                     help="seconds of silence that mean denied (default 2)")
    sub.add_argument("--json", action="store_true")


def _part(sub):
    sub.add_argument("part", choices=["agent", "controller", "db"])
    sub.add_argument("node", nargs="?")


# --- life --------------------------------------------------------------------


def do_up(inst, args):
    if not cluster.up(inst, args.nodes, args.keep, args.dual_stack):
        if not args.keep:
            warn(f"a lab \"{inst.name}\" of this checkout is up: go on with it "
                 "(scripts/lab status), or stop it (scripts/lab down); "
                 "VIRGA_LAB=NAME starts another beside it")
            return 1
    cluster.announce(inst)
    return 0


def do_down(inst, args):
    say(f"lab \"{inst.name}\" is down" if cluster.down(inst)
        else f"no lab \"{inst.name}\" of this checkout; nothing to do")
    return 0


# --- objects -----------------------------------------------------------------


def _virgactl(inst, argv):
    inst.require_up()
    return subprocess.call([inst.program("virgactl"), *argv], env=_client_env(inst))


def _client_env(inst):
    parts = Parts(inst)
    return {**os.environ, "VIRGA_API": f"unix:{parts.api.socket_path}",
            "PATH": f"{os.path.join(inst.build(), 'bin')}:{os.environ.get('PATH', '')}"}


def _settle(inst):
    """Pods as the API says, then every node has applied it; 0 or 1."""
    failures = pods.sync(inst)
    for failure in failures:
        warn(failure)
    Parts(inst).api.sync()
    return 1 if failures else 0


def _file_arguments(args):
    return [word for group in args.filename for name in group for word in ("-f", name)]


def do_apply(inst, args):
    status = _virgactl(inst, ["apply", *_file_arguments(args), *args.more])
    return _settle(inst) or status


def do_delete(inst, args):
    argv = ["delete", *_file_arguments(args)]
    if args.namespace:
        argv += ["-n", args.namespace]
    status = _virgactl(inst, [*argv, *args.object, *args.more])
    return _settle(inst) or status


# --- commands inside -----------------------------------------------------------


def _command(args):
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not argv:
        raise LabError("which command? End with: -- CMD ARGS", EXIT_USAGE)
    return argv


def _become(argv, env):
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as e:
        raise LabError(f"{argv[0]}: {e.strerror}", 127) from e


def do_exec(inst, args):
    inst.require_up()
    place = probing.find_place(inst, args.place)
    _become(["ip", "netns", "exec", place.netns, *_command(args)], dict(os.environ))


def do_node(inst, args):
    inst.require_up()
    if args.node not in inst.nodes():
        raise LabError(f"no node \"{args.node}\"; there are: {', '.join(inst.nodes())}")
    _become(["ip", "netns", "exec", inst.netns(args.node), *_command(args)],
            ovs_env(inst, args.node))


def do_ctl(inst, args):
    inst.require_up()
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    _become([inst.program("virgactl"), *argv], _client_env(inst))


def do_env(inst, args):
    inst.require_up()
    env = _client_env(inst)
    say(f"export VIRGA_API='{env['VIRGA_API']}'")
    say(f"export VIRGA_API_URL='{Parts(inst).api_url()}'")
    say(f"export VIRGA_TOKEN_FILE='{inst.path('controller', 'token')}'")
    say(f"export PATH='{os.path.join(inst.build(), 'bin')}':\"$PATH\"")
    return 0


# --- connections ---------------------------------------------------------------


def do_connect(inst, args):
    inst.require_up()
    result, answer = probing.connect(inst, args.source, args.to, args.port, args.timeout,
                                     args.family)
    if args.json:
        say(json.dumps({"from": args.source, "to": args.to, "result": result, "answer": answer,
                        "port": probing.format_port(*probing.parse_port(args.port))}))
    else:
        say(result if result != "misdirected" else f"misdirected: {answer} answered")
    return {"allowed": 0, "denied": 1, "rejected": 2}.get(result, 3)


def do_probe(inst, args):
    inst.require_up()
    cells = probing.matrix(inst, args.ports.split(",") if args.ports else None, args.timeout,
                           args.family)
    say(json.dumps(cells) if args.json
        else probing.format_matrix(cells, probing.want_colour(sys.stdout)))
    return 0


# --- status and faults -----------------------------------------------------------


def do_status(inst, args):
    up = inst.exists() and inst.is_up()
    parts = Parts(inst)
    ready = parts.node_readiness() if up else {}
    status = {
        "api": parts.api_url() if up else None,
        "nodes": [{"name": n, "vtep": vtep(n), "ready": bool(
            parts.is_running(f"agent-{n}") and ready.get(n, {}).get("ready"))}
            for n in (inst.nodes() if up else [])],
        "pods": [{k: p[k] for k in ("namespace", "name", "node", "ips")}
                 for _, p in sorted(inst.pods().items()) if p.get("ips")],
        "world": {"ips": cluster.WORLD_IPS + cluster.WORLD_IP6S if up else []}}
    if args.json:
        say(json.dumps(status))
    elif not up:
        warn(f"no lab \"{inst.name}\" of this checkout is up; start one with \"scripts/lab up\"")
    else:
        _print_status(inst, parts, status, ready)
    return 0 if up else 1


def _print_status(inst, parts, status, ready):
    say(f"lab \"{inst.name}\"  API {status['api']}  files {inst.dir}")
    for name in ("db", "controller"):
        say(f"  {name:<12} {'runs' if parts.is_running(name) else 'is dead'}")
    for node in status["nodes"]:
        why = "" if node["ready"] else ready.get(node["name"], {}).get("message", "")
        runs = parts.is_running(f"agent-{node['name']}")
        say(f"  {node['name']:<12} vtep {node['vtep']:<14} "
            + ("ready" if node["ready"] else f"not ready {why}" if runs else "agent is dead"))
    say(f"  {'world':<12} {' '.join(status['world']['ips'])}")
    width = max([len(f"{p['namespace']}/{p['name']}") for p in status["pods"]], default=0)
    for pod in status["pods"]:
        name = f"{pod['namespace']}/{pod['name']}"
        say(f"  pod {name:<{width}}  {pod['node']:<8}  {' '.join(pod['ips'])}")


def do_kill(inst, args):
    inst.require_up()
    Parts(inst).kill(args.part, args.node)
    return 0


def do_start(inst, args):
    inst.require_up()
    with inst.locked():
        Parts(inst).start(args.part, args.node)
    return 0


def main(root):
    parser = build_parser()
    args, more = parser.parse_known_args()
    # Words behind an option, as in "delete pod -n NS NAME", end up in 'more'.
    if more and args.command not in ("apply", "delete"):
        parser.error(f"unrecognized: {' '.join(more)}")
    args.more = more
    if os.geteuid():
        warn("needs root: it makes network namespaces")
        return 1
    inst = Instance(root, os.environ.get("VIRGA_LAB") or "lab")
    try:
        return args.function(inst, args)
    except LabError as e:
        warn(str(e))
        return e.status if args.command != "connect" else 3
    except KeyboardInterrupt:
        warn("interrupted; \"scripts/lab down\" removes what is there")
        return 130
