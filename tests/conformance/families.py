"""A cluster of IPv4 told again in IPv6, or in both families.

Every address has a twin, PREFIX with the IPv4 address in its last bits, and
every network likewise; 0.0.0.0/0 has ::/0.  A cluster in which all is
replaced by its twin must behave as before; one of both families has twins
beside its addresses, a random half of its networks replaced, and a random half of
its connections made by twins: a network of one family says nothing of the
other's packets."""
import copy
import ipaddress
import random
import re

PREFIX = int(ipaddress.ip_address("fd00:46::"))
NETWORK = re.compile(r"\d+\.\d+\.\d+\.\d+(/\d+)?")
FOUR, SIX, DUAL = "IPv4", "IPv6", "dual stack"


def is_ip6(address):
    return ":" in address


def twin(text):
    """Of an address or a network of IPv4."""
    if text == "0.0.0.0/0":
        return "::/0"
    address, _, length = text.partition("/")
    made = str(ipaddress.IPv6Address(PREFIX + int(ipaddress.IPv4Address(address))))
    return f"{made}/{96 + int(length)}" if length else made


def origin(address):
    """The IPv4 address that 'address' is, or is the twin of."""
    if not is_ip6(address):
        return address
    return str(ipaddress.IPv4Address(int(ipaddress.IPv6Address(address)) - PREFIX))


class Translation:
    def __init__(self, families, seed):
        self.families, self.random = families, random.Random(seed)

    def owned(self, addresses):
        """Of addresses or networks that something has."""
        return {FOUR: addresses, SIX: [twin(a) for a in addresses],
                DUAL: addresses + [twin(a) for a in addresses]}[self.families]

    def turn(self):
        """Whether to speak of twins now."""
        return self.families == SIX or (self.families == DUAL and self.random.random() < 0.5)

    def meant(self, thing):
        """A part of a policy: networks that it means."""
        if isinstance(thing, dict):
            if "cidr" in thing:
                change = twin if self.turn() else str
                return {key: change(value) if key == "cidr" else [change(v) for v in value]
                        for key, value in thing.items()}
            return {key: self.meant(value) for key, value in thing.items()}
        if isinstance(thing, list):
            return [self.meant(element) for element in thing]
        if isinstance(thing, str) and NETWORK.fullmatch(thing) and self.turn():
            return twin(thing)
        return thing

    def annotation(self, thing, key):
        annotations = thing["metadata"].get("annotations") or {}
        if annotations.get(key):
            annotations[key] = ",".join(self.owned(annotations[key].split(",")))

    def pod(self, pod):
        self.annotation(pod, "virga.dev/ip")
        status = pod.get("status") or {}
        if status.get("podIP"):
            ips = self.owned([status["podIP"]])
            status.update(podIP=ips[0], podIPs=[{"ip": ip} for ip in ips])

    def object(self, thing):
        thing = copy.deepcopy(thing)
        if thing["kind"] == "Namespace":
            self.annotation(thing, "virga.dev/subnets")
        elif thing["kind"] == "Pod":
            self.pod(thing)
        elif thing["kind"] == "Node":  # Tunnels end at its IPv4 address.
            addresses = thing["status"]["addresses"]
            addresses += [dict(a, address=twin(a["address"])) for a in addresses]
        else:
            thing["spec"] = self.meant(thing.get("spec") or {})
        return thing

    def cell(self, cell):
        return (twin(cell[0]), twin(cell[1]), *cell[2:]) if self.turn() else cell


def translate(objects, cells, seed):
    """Half of the seeds stay as they are."""
    families = (FOUR, FOUR, SIX, DUAL)[seed // 2 % 4]
    if families == FOUR:
        return objects, cells
    translation = Translation(families, seed)
    return ([translation.object(thing) for thing in objects],
            [translation.cell(cell) for cell in cells])
