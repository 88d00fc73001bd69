"""The verdict for a packet that starts a connection, from records alone.

The rules of NetworkPolicy once more, in another language than the product's
evaluate.c, to judge the flows by.
"""
import ipaddress
import re
import shlex


def numbers(text):
    return {int(n) for n in text.split(",") if n}


class Records:
    """The lines of "virgactl compile", by kind and key."""

    def __init__(self, text):
        self.kinds = {k: {} for k in ("node", "network", "identity", "endpoint", "set", "rule")}
        for line in text.splitlines():
            kind, key, *rest = shlex.split(line)
            fields = dict(f.split("=", 1) for f in rest if "=" in f)
            if kind == "rule":
                fields["direction"] = rest[0]
            self.kinds[kind][int(key)] = fields
        self.pods = {e["name"]: e for e in self.kinds["endpoint"].values()}

    def nodes(self):
        return self.kinds["node"]

    def node_names(self):
        return sorted(n["name"] for n in self.nodes().values())

    def node(self, name):
        return next(n for n in self.nodes().values() if n["name"] == name)

    def node_of(self, pod):
        node = self.nodes().get(int(self.pods[pod]["node"]))
        return node and node["name"]

    def address(self, who, ip6=False):
        """The first one of the family, or None."""
        if who == "world":
            return "2001:db8:ffff::1" if ip6 else "192.0.2.1"
        known = self.pods[who]["ips"] if who in self.pods else self.node(who)["addresses"]
        return next((a for a in known.split(",") if (":" in a) == ip6), None)

    def identity(self, who):
        return int(self.pods[who]["identity"]) if who in self.pods else None


def has_peer(records, rule, who, ip6):
    peers = rule["peers"]
    address = ipaddress.ip_address(records.address(who, ip6))
    for peer in peers.split(","):
        if peer == "any":
            return True
        if peer.startswith("set:"):
            members = numbers(records.kinds["set"][int(peer[4:])].get("identities", ""))
            if records.identity(who) in members:
                return True
        elif peer and address in ipaddress.ip_network(peer):
            return True
    return False


def has_port(rule, port):
    protocol, _, number = port.partition("/")
    protocol = protocol.removesuffix("6") if number else protocol
    for entry in rule["ports"].split(","):
        if entry == "any":
            return True
        match = re.fullmatch(r"(\w+):(\d+)(?:-(\d+))?", entry)
        if match and match[1] == protocol:
            if int(match[2]) <= int(number) <= int(match[3] or match[2]):
                return True
    return False


def decide(records, direction, subject, peer, port):
    """The ids of the rules that may decide, and whether they allow."""
    if subject not in records.pods:
        return True, set()
    rules = {k: r for k, r in records.kinds["rule"].items()
             if r["direction"] == direction and records.identity(subject)
             in numbers(records.kinds["set"][int(r["subject"])].get("identities", ""))}
    isolating = {k for k, r in rules.items() if r["action"] == "isolate"}
    allowing = {k for k, r in rules.items() if r["action"] == "allow"
                and has_peer(records, r, peer, port.partition("/")[0].endswith("6")) and has_port(r, port)}
    if allowing or not isolating:
        return True, allowing
    return False, {min(isolating)}


def reason(what, allowed, expected, credited):
    if len(credited) > 1 or (credited and not credited <= expected):
        return f"{what} credited to {sorted(credited)}, not to one of {sorted(expected)}"
    if expected and not credited and not allowed:
        return f"{what} denial is credited to nobody"
    return ""


def disagrees(records, src, dst, port, way):
    """Says what is wrong with a way, or nothing."""
    egress, egress_rules = decide(records, "egress", src, dst, port)
    ingress, ingress_rules = decide(records, "ingress", dst, src, port)
    if src in records.node_names() and dst in records.pods and records.node_of(dst) == src:
        ingress, ingress_rules = True, set()
    if way.delivered != (egress and ingress):
        return f"should be {'delivered' if egress and ingress else 'dropped'}"
    if not egress:
        ingress_rules = set()
    if egress and egress_rules and not way.egress:
        return "no egress rule has the credit"
    if egress and ingress and ingress_rules and not way.ingress:
        return "no ingress rule has the credit"
    return (reason("egress", egress, egress_rules, way.egress)
            or reason("ingress", ingress, ingress_rules, way.ingress))
