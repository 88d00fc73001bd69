"""The older forms: the article of 2016, annotations that isolate, extensions/v1beta1."""
import json
import subprocess

from e2elib.harness import allowed, denied
from e2elib.objects import namespace, namespaces_peer, pod, policy, rule
from e2elib.runner import check, equal, test

ALPHA = "net.alpha.kubernetes.io/network-isolation"
BETA = "net.beta.kubernetes.io/network-policy"
POLICIES = "/apis/net.alpha.kubernetes.io/v1alpha1/namespaces/tenant-a/networkpolicys/"
BACK, FRONT, OTHER = "tenant-a/backend", "tenant-a/frontend", "tenant-a/other"
STRANGER = "tenant-b/frontend"

# As "Kubernetes Network Policy APIs" printed it in April 2016.
ARTICLE = """\
{
"kind": "NetworkPolicy",
"metadata": {
"name": "pol1"
},
"spec": {
"allowIncoming": {
"from": [
{ "pods": { "segment": "frontend" } }
],
"toPorts": [
{ "port": 80, "protocol": "TCP" }
]
},
"podSelector": { "segment": "backend" }
}
}
"""


def curl(lab, method, path, body=None):
    """Over the API's socket; (code, document)."""
    argv = ["curl", "-sS", "--unix-socket", lab.inst.path("controller", "api.sock"), "-X", method,
            "-w", "\n%{http_code}", f"http://virga{path}"]
    if body is not None:
        argv += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run(argv, text=True, capture_output=True, check=True, input=body or "")
    text, _, code = done.stdout.rpartition("\n")
    return int(code), json.loads(text)


def annotate(lab, name, key, value):
    lab.patch(f"/api/v1/namespaces/{name}", {"metadata": {"annotations": {key: value}}})


def stage(lab, *more):
    ports = ("80/TCP", "81/TCP")
    lab.apply(namespace("tenant-a"), namespace("tenant-b", team="b"),
              pod(BACK, "node-1", ports, segment="backend"),
              pod(FRONT, "node-2", ports, segment="frontend"),
              pod(OTHER, "node-1", ports, segment="other"),
              pod(STRANGER, "node-2", ports, segment="frontend"), *more)


@test
def article_of_2016_works_as_printed(lab):
    stage(lab)
    everything = [(FRONT, BACK, 80), (OTHER, BACK, 80), (STRANGER, BACK, 80), (BACK, FRONT, 80),
                  (FRONT, BACK, 81), (BACK, STRANGER, 80)]
    lab.expect(allowed(*everything), "before")
    annotate(lab, "tenant-a", ALPHA, "on")
    lab.expect(denied(*everything[:-1]) + allowed(everything[-1]), "isolated")
    code, answer = curl(lab, "POST", POLICIES, ARTICLE)
    equal(code, 201, f"POST of the article ({answer})")
    lab.settle()
    lab.expect(allowed((FRONT, BACK, 80), (BACK, STRANGER, 80)) + denied(*everything[1:-1]),
               "with pol1")
    equal(curl(lab, "GET", POLICIES)[1]["items"][0]["metadata"]["name"], "pol1", "the list")
    code, _ = curl(lab, "DELETE", POLICIES + "pol1")
    equal(code, 200, "DELETE")
    lab.settle()
    lab.expect(denied(*everything[:-1]), "without pol1")
    annotate(lab, "tenant-a", ALPHA, "off")
    lab.expect(allowed(*everything), "off again")


@test
def net_alpha_policy_does_nothing_without_isolation(lab):
    stage(lab)
    equal(curl(lab, "POST", POLICIES, ARTICLE)[0], 201, "POST")
    lab.settle()
    lab.expect(allowed((FRONT, BACK, 81), (OTHER, BACK, 80)), "it isolates nothing")
    lab.apply(policy("tenant-a/deny", ingress=[]))
    lab.expect(denied((FRONT, BACK, 80), (OTHER, BACK, 80)), "it opens nothing")
    annotate(lab, "tenant-a", ALPHA, "on")
    lab.expect(allowed((FRONT, BACK, 80)) + denied((OTHER, BACK, 80), (STRANGER, BACK, 80)))


@test
def beta_annotation_isolates_and_policies_open(lab):
    stage(lab, policy("tenant-a/p", {"segment": "backend"},
                      [rule("from", [namespaces_peer(team="b")], ["80/TCP"])]))
    annotate(lab, "tenant-a", BETA, ' { "ingress" : { "isolation" :\n"DefaultDeny" } } ')
    lab.expect(allowed((STRANGER, BACK, 80)) + denied((FRONT, BACK, 80), (STRANGER, BACK, 81),
                                                      (STRANGER, FRONT, 80), (FRONT, OTHER, 80)))
    annotate(lab, "tenant-a", BETA, None)
    lab.expect(allowed((STRANGER, FRONT, 80), (FRONT, OTHER, 80)) + denied((FRONT, BACK, 80)))


@test
def extensions_policy_is_the_same_object(lab):
    path = "namespaces/tenant-a/networkpolicies/p"
    stage(lab, {"apiVersion": "extensions/v1beta1", "kind": "NetworkPolicy",
                "metadata": {"namespace": "tenant-a", "name": "p"},
                "spec": {"podSelector": {"matchLabels": {"segment": "backend"}}, "ingress": [
                    {"from": [{"podSelector": {"matchLabels": {"segment": "frontend"}}}],
                     "ports": [{"protocol": "tcp", "port": 80}]}]}})
    lab.expect(allowed((FRONT, BACK, 80)) + denied((OTHER, BACK, 80), (FRONT, BACK, 81)))
    code, old = curl(lab, "GET", f"/apis/extensions/v1beta1/{path}")
    equal((code, old["apiVersion"]), (200, "extensions/v1beta1"), "under the old group")
    code, new = curl(lab, "GET", f"/apis/networking.k8s.io/v1/{path}")
    equal((code, new["apiVersion"]), (200, "networking.k8s.io/v1"), "under the new group")
    equal(old["spec"], new["spec"], "the spec")
    equal(new["spec"]["ingress"][0]["ports"][0]["protocol"], "TCP", "the protocol")
    check("p" in lab.ctl("get", "netpol", "-n", "tenant-a").stdout, "virgactl get shows it")
    curl(lab, "DELETE", f"/apis/extensions/v1beta1/{path}")
    lab.settle()
    lab.expect(allowed((OTHER, BACK, 80)))


@test
def isolation_that_cannot_be_made_out_is_refused(lab):
    stage(lab)
    for key, value in ((ALPHA, "yes"), (BETA, '{"ingress":{"isolation":"AllowAll"}}')):
        code, answer = curl(lab, "POST", "/api/v1/namespaces", json.dumps(
            namespace("bad", {key: value})))
        equal(code, 422, f"{key}: {value}")
        equal(answer["details"]["causes"][0]["field"], f"metadata.annotations[{key}]", "the field")
