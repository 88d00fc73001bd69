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

/* GET: text/plain, the records (base/records.h text form) of the cluster. */
#define API_PATH_RECORDS "/virga/v1/records"

#endif
