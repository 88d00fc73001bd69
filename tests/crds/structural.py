"""What a Kubernetes API server asks of the schema of a CustomResourceDefinition.

From "Extend the Kubernetes API with CustomResourceDefinitions": structural
schemas, and what may not be in them.
"""

FORBIDDEN = {
    "$ref", "definitions", "dependencies", "deprecated", "discriminator", "id",
    "patternProperties", "readOnly", "writeOnly", "xml", "uniqueItems", "$schema",
    "additionalItems", "allOf", "anyOf", "oneOf", "not",
}
KNOWN = {
    "type", "description", "format", "properties", "required", "items", "enum", "minimum",
    "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "minProperties",
    "maxProperties", "additionalProperties", "x-kubernetes-int-or-string",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
}
TYPES = {"object", "array", "string", "integer", "number", "boolean"}
SCALARS = {"string", "integer", "number", "boolean"}


def node_problems(schema, where):
    int_or_string = schema.get("x-kubernetes-int-or-string")
    for key in schema:
        if key in FORBIDDEN or key not in KNOWN:
            yield f"{where}: {key} may not be used, or is not known to this test"
    if int_or_string:
        if "type" in schema:
            yield f"{where}: type beside x-kubernetes-int-or-string"
    elif schema.get("type") not in TYPES:
        yield f"{where}: has no type"
    if schema.get("type") == "array" and "items" not in schema:
        yield f"{where}: a list needs items"
    if "properties" in schema and "additionalProperties" in schema:
        yield f"{where}: properties and additionalProperties exclude each other"
    for name in schema.get("required", []):
        if name not in schema.get("properties", {}):
            yield f"{where}: requires {name}, which has no schema"
    list_type = schema.get("x-kubernetes-list-type")
    items = schema.get("items", {})
    if list_type == "set" and items.get("type") not in SCALARS:
        yield f"{where}: a set of what is no scalar"
    if list_type == "map":
        for key in schema.get("x-kubernetes-list-map-keys", []):
            if items["properties"].get(key, {}).get("type") not in SCALARS \
                    or key not in items.get("required", []):
                yield f"{where}: key {key} of the map is no required scalar"


def schema_problems(schema, where):
    yield from node_problems(schema, where)
    for name, sub in schema.get("properties", {}).items():
        yield from schema_problems(sub, f"{where}.{name}")
    for key in "items", "additionalProperties":
        if isinstance(schema.get(key), dict):
            yield from schema_problems(schema[key], f"{where}.{key}")


def rule_problems(schema, where, factor=1):
    """Rules need bounds, so that the server can tell what they cost: every list
    around and below one has maxItems, every string below one maxLength."""
    if factor is None and "x-kubernetes-validations" in schema:
        yield f"{where}: a rule in a list without maxItems"
    for rule in schema.get("x-kubernetes-validations", []):
        field = rule.get("fieldPath", "").lstrip(".")
        if field and field not in schema.get("properties", {}):
            yield f"{where}: a rule's fieldPath .{field} has no schema"
        if not rule.get("message") or "\n" in rule["message"]:
            yield f"{where}: a rule has no message of one line"
    if schema.get("type") == "array" and "maxItems" not in schema:
        factor = None
    for name, sub in schema.get("properties", {}).items():
        yield from rule_problems(sub, f"{where}.{name}", factor)
    if "items" in schema:
        yield from rule_problems(schema["items"], f"{where}[]", factor)


def problems(crd):
    """Yields what a server would refuse, or this test does not know."""
    spec, names = crd["spec"], crd["spec"]["names"]
    if crd["metadata"]["name"] != f"{names['plural']}.{spec['group']}":
        yield "metadata.name: is not PLURAL.GROUP"
    if sum(v["storage"] for v in spec["versions"]) != 1:
        yield "spec.versions: not one is the stored one"
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        if schema.get("type") != "object":
            yield "openAPIV3Schema: is no object"
        if set(schema["properties"]["metadata"]) != {"type"}:
            yield "openAPIV3Schema.metadata: says more than its type"
        yield from schema_problems(schema, "openAPIV3Schema")
        yield from rule_problems(schema, "openAPIV3Schema")
        for column in version.get("additionalPrinterColumns", []):
            if column["type"] not in ("string", "integer", "date", "boolean", "number"):
                yield f"additionalPrinterColumns: {column['name']} has no known type"
