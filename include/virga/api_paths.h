/* The HTTP API of the controller: paths, beside those of Kubernetes.
 *
 * Served on a unix socket (mode 0600, no token) and on TCP loopback with
 * "Authorization: Bearer TOKEN" (token file, mode 0600).  JSON, UTF-8.
 * Errors are Kubernetes Status objects.
 *
 * Kubernetes: /api/v1, /apis/networking.k8s.io/v1 (discovery, list, watch,
 * get, create, update, patch, delete, deletecollection, /status, dryRun=All);
 * see docs/api.md.  /healthz, /readyz, /version answer without a token. */
#ifndef VIRGA_API_PATHS_H
#define VIRGA_API_PATHS_H 1

/* GET {"generation":N, "leader":BOOL, "nodes":[{"name","vtep","ready":BOOL,
 * "message","applied":N,"flows":N}], "pods":[{"namespace","name","node","ips":[],"identity":N,
 * "endpoint":N}], "networks":[{"name","vni","zone","subnets":[],"gateways":[]}],
 * "problems":[{"kind","namespace","name","reason","message"}]} */
#define API_PATH_STATUS "/virga/v1/status"

/* GET ?timeout=SECONDS (default 10, at most 300): returns when every ready
 * node has applied all that was written before the request:
 * {"generation":N}; 504 Status naming the nodes that are behind. */
#define API_PATH_SYNC "/virga/v1/sync"

/* GET ?fresh=true|false (default true: asks agents for new counters first,
 * waits 3 s at most): {"complete":BOOL, "missing":[NODE], "rules":[{"id","policy","tier",
 * "direction","index","action":"allow|isolate|deny|reject|pass","hits","packets","bytes","text",
 * "dryRun":true (or absent)}],
 * "drops":[{"name","node","packets","bytes"}]}.  hits: packets that started a
 * connection; packets, bytes: all, both directions; of what denies: dropped. */
#define API_PATH_STATS "/virga/v1/stats"

/* GET ?fresh: {"complete","missing","pairs":[{"from","to" (identity labels),
 * "from_identity","to_identity","egress_rule","ingress_rule","packets","bytes"}]} */
#define API_PATH_MATRIX "/virga/v1/matrix"

/* GET ?from=END&to=END&port=PORT (END: NAMESPACE/NAME of a pod, a node's name, an
 * address; PORT: "80", "80/TCP", "53/UDP", "5060/SCTP", "icmp"): what would
 * become of a connection by the policy now, and why: {"from":E,"to":E,"protocol",
 * "port":N,"verdict":"allowed|denied|rejected","egress":D,"ingress":D,"notes":[]}.
 * E: {"kind":"pod|node|world","name","ip","node","identity":N,"labels"}; D: {"verdict",
 * "reason":"rule|default|no pod|own node|itself","node" (that enforces),"rule":R|null,
 * "tiers":[{"tier","result":"no match|pass|allow|deny|reject","rule":R|null,
 * "dryRun":R|null}]}, up to the tier that decides; R: {"id","policy","direction","index",
 * "tier","action","dryRun":BOOL,"text"}. */
#define API_PATH_WHY "/virga/v1/why"

/* GET: text/plain, the records (base/records.h text form) of the cluster. */
#define API_PATH_RECORDS "/virga/v1/records"

#endif
