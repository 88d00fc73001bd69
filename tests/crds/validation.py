"""The errors that a Kubernetes API server finds in an object by the schema of
its CustomResourceDefinition, as field paths.

Rules in CEL are not interpreted: RULES has each of them a second time, in
Python, under its text.  A rule that is not there fails the test.
"""
import ipaddress
import re


def is_cidr(text):
    """isCIDR(): a length is needed, no address of one family in the other."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    address, _, length = text.partition("/")
    mapped = network.version == 6 and ipaddress.ip_address(address).ipv4_mapped
    return length.isdigit() and not mapped


def is_inside(inner, outer):
    inner, outer = (ipaddress.ip_network(x, strict=False) for x in (inner, outer))
    return (inner.version == outer.version and inner.subnet_of(outer)
            and inner.prefixlen > outer.prefixlen)


def excepts_are_inside(network):
    excepts = network.get("except", [])
    if not all(is_cidr(x) for x in [network["cidr"], *excepts]):
        return True
    return all(is_inside(e, network["cidr"]) for e in excepts)


def end_port_is_right(port):
    start = port.get("port")
    return "endPort" not in port or (isinstance(start, int) and start <= port["endPort"])


def names_have_pods(rule):
    names = any(isinstance(p.get("port"), str) for p in rule.get("ports", []))
    return not names or not any("networkGroup" in t or "world" in t for t in rule.get("to", []))


RULES = {
    "isCIDR(self)": is_cidr,
    "!has(self.except) || !isCIDR(self.cidr) || self.except.exists(e, !isCIDR(e)) || "
    "self.except.all(e, cidr(self.cidr).containsCIDR(e) && "
    "cidr(e).prefixLength() > cidr(self.cidr).prefixLength())": excepts_are_inside,
    "!has(self.endPort) || "
    "(has(self.port) && type(self.port) == int && self.port <= self.endPort)": end_port_is_right,
    "!has(self.ports) || !has(self.to) || "
    "!self.ports.exists(p, has(p.port) && type(p.port) == string) || "
    "!self.to.exists(t, has(t.networkGroup) || has(t.world))": names_have_pods,
}


def type_of(value):
    if isinstance(value, bool):
        return "boolean"
    return {dict: "object", list: "array", str: "string", int: "integer",
            float: "number"}.get(type(value), "null")


class Validation:
    def __init__(self):
        self.errors = set()
        self.broken_rules = set()
        self.hides_rules = False

    def error(self, path, hides):
        self.errors.add(path)
        self.hides_rules |= hides

    def result(self):
        return self.errors | (set() if self.hides_rules else self.broken_rules)

    def check(self, schema, value, path):
        types = ("integer", "string") if schema.get("x-kubernetes-int-or-string") \
            else (schema["type"],)
        if type_of(value) not in types:
            self.error(path, True)
            return
        if "enum" in schema and value not in schema["enum"]:
            self.error(path, True)
        getattr(self, "check_" + type_of(value), lambda *_: None)(schema, value, path)
        for rule in schema.get("x-kubernetes-validations", []):
            try:
                right = RULES[" ".join(rule["rule"].split())](value)
            except (KeyError, TypeError, AttributeError, ValueError):
                if " ".join(rule["rule"].split()) not in RULES:
                    raise
                continue  # On parts that have errors already.
            if not right:
                self.broken_rules.add(path + rule.get("fieldPath", ""))

    def check_object(self, schema, value, path):
        properties = schema.get("properties", {})
        known = {k: v for k, v in value.items()
                 if k in properties or "additionalProperties" in schema}
        for name in schema.get("required", []):
            if name not in known:
                self.error(f"{path}.{name}".lstrip("."), True)
        if len(known) < schema.get("minProperties", 0):
            self.error(path, False)
        if len(known) > schema.get("maxProperties", len(known)):
            self.error(path, True)
        for name, item in known.items():
            sub = properties.get(name) or schema["additionalProperties"]
            self.check(sub, item, f"{path}.{name}".lstrip("."))

    def check_array(self, schema, value, path):
        if len(value) > schema.get("maxItems", len(value)):
            self.error(path, True)
            return
        if len(value) < schema.get("minItems", 0):
            self.error(path, False)
        for i, item in enumerate(value):
            if schema.get("x-kubernetes-list-type") == "set" and item in value[:i]:
                self.error(f"{path}[{i}]", False)
            self.check(schema["items"], item, f"{path}[{i}]")

    def check_string(self, schema, value, path):
        if len(value) > schema.get("maxLength", len(value)):
            self.error(path, True)
        elif len(value) < schema.get("minLength", 0) \
                or not re.search(schema.get("pattern", ""), value):
            self.error(path, False)

    def check_integer(self, schema, value, path):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            self.error(path, False)


def errors(crd, obj):
    """The paths of all errors in 'obj'."""
    version = next(v for v in crd["spec"]["versions"]
                   if f"{crd['spec']['group']}/{v['name']}" == obj["apiVersion"])
    validation = Validation()
    validation.check(version["schema"]["openAPIV3Schema"], obj, "")
    return validation.result()
