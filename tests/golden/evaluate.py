"""The verdict for a packet that starts a connection, from records alone.

The tiers and their rules once more, in another language than the product's
evaluate.c, to judge the flows by.
"""
import ipaddress
import re
import shlex


TIERS = ("admin", "group", "networkpolicy", "baseline")
WORLD = 1


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
        if who == "world":
            return WORLD
        return int(self.pods[who]["identity"]) if who in self.pods else None


def in_prefixes(address, text):
    return any(address in ipaddress.ip_network(p) for p in text.split(",") if p)


def in_set(records, number, who, address):
    members = records.kinds["set"][number]
    return (records.identity(who) in numbers(members.get("identities", ""))
            or in_prefixes(address, members.get("prefixes", "")))


def has_peer(records, rule, who, ip6):
    address = ipaddress.ip_address(records.address(who, ip6))
    for peer in rule["peers"].split(","):
        if peer == "any" or (peer == "pods" and who in records.pods):
            return True
        if peer.startswith("set:"):
            if in_set(records, int(peer[4:]), who, address):
                return True
        elif peer != "pods" and in_prefixes(address, peer):
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


class Decision:
    """What the tiers say to one direction: really, and if dry runs were in force."""

    def __init__(self):
        self.allowed = None  # Nothing is decided yet.
        self.would_end = False
        self.credits = []  # Sets of rules; one of each has the credit.

    def decide(self, allowed, rules):
        if self.allowed is None:
            self.allowed = allowed
            self.credits.append(rules)
        self.would_end = True

    def networkpolicy(self, rules):
        allowing = {k for k, r in rules.items() if r["action"] == "allow" and r["matches"]}
        isolating = {k for k, r in rules.items() if r["action"] == "isolate"}
        if allowing or isolating:
            self.decide(bool(allowing), allowing or {min(isolating)})

    def ordered(self, rules):
        left, would_left = self.allowed is not None, self.would_end
        for rank in sorted({int(r["rank"]) for r in rules.values()}):
            hits = {k for k, r in rules.items() if int(r["rank"]) == rank and r["matches"]}
            if not hits:
                continue
            rule = rules[min(hits)]
            if "dry-run" in rule.get("flags", ""):
                if not would_left and not left:
                    self.credits.append(hits)
                    self.would_end |= rule["action"] != "pass"
                    would_left = True
            elif not left:
                if rule["action"] == "pass":
                    self.credits.append(hits)
                else:
                    self.decide(rule["action"] == "allow", hits)
                left = would_left = True


def decide(records, direction, subject, peer, port):
    decision = Decision()
    for tier in TIERS if subject in records.pods else ():
        rules = {k: dict(r) for k, r in records.kinds["rule"].items()
                 if r["direction"] == direction and r["tier"] == tier
                 and records.identity(subject)
                 in numbers(records.kinds["set"][int(r["subject"])].get("identities", ""))}
        for rule in rules.values():
            rule["matches"] = (has_peer(records, rule, peer, port.partition("/")[0].endswith("6"))
                               and has_port(rule, port))
        if tier == "networkpolicy":
            decision.networkpolicy(rules)
        else:
            decision.ordered(rules)
    return decision


def wrong_credit(what, decision, credited):
    for rules in decision.credits:
        if len(credited & rules) != 1:
            return f"{what} credited to {sorted(credited)}, not to one of {sorted(rules)}"
    others = credited - set().union(*decision.credits)
    return f"{what} credited to {sorted(others)} as well" if others else ""


def disagrees(records, src, dst, port, way):
    """Says what is wrong with a way, or nothing."""
    egress = decide(records, "egress", src, dst, port)
    ingress = decide(records, "ingress", dst, src, port)
    if src in records.node_names() and dst in records.pods and records.node_of(dst) == src:
        ingress = Decision()
    delivered = egress.allowed is not False and ingress.allowed is not False
    if way.delivered != delivered:
        return f"should be {'delivered' if delivered else 'dropped'}"
    if egress.allowed is False:
        ingress = Decision()
    return (wrong_credit("egress", egress, way.egress)
            or wrong_credit("ingress", ingress, way.ingress))
