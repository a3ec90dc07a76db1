package api

import "github.com/danielgtaylor/huma/v2"

// What the samples are about: alice, a node and a swarm of the network that `onsight demo` makes.
const (
	sampleAt    = "curl http://127.0.0.1:8080"
	sampleAdmin = "curl -H 'Authorization: Bearer TOKEN' http://127.0.0.1:8080/v1/admin"
	sampleHash  = "e11d814979372c883b50bdb0ffadb1eaf0898bf54fd4fbf298af126fbabbda4c"
	sampleOwner = "LDB84GBsoYYZZAR79HAraEFPnyfLD47nziuf2VUNv5PQ9Fq2WGUvZ1MPd1GqcpYVGsKdRmehqaR7H2XC8hu5VG6SDyBGsKK"
	sampleNode  = "078bc2dcd9962613448960a3ece733e377a83645e28d683f3f3364e98f0e6f37"
	sampleSwarm = "5fffffffffffffff"
)

// samples are commands that work as they stand while `onsight demo` runs, by operation. Each operation has one, and a test runs
// them all.
var samples = map[string]string{
	"healthz":  sampleAt + "/healthz",
	"readyz":   sampleAt + "/readyz",
	"realtime": sampleAt + "/v1/realtime?max_distance=60",
	"openapi":  sampleAt + "/openapi.json",
	"status":   sampleAt + "/v1/status",

	"name":    sampleAt + "/v1/names/session/" + sampleHash,
	"history": sampleAt + "/v1/names/session/" + sampleHash + "/history",
	"resolve": "curl -H 'Content-Type: application/json' -d '" + `{"names":[{"type":"session","hash":"` + sampleHash + `"}]}` +
		"' http://127.0.0.1:8080/v1/names/resolve",
	"owned":        sampleAt + "/v1/owners/" + sampleOwner + "/names",
	"ranges":       sampleAt + "/v1/names/range",
	"range":        sampleAt + "/v1/names/range/0/0",
	"rangeHistory": sampleAt + "/v1/names/range/0/0/history",
	"names":        "curl 'http://127.0.0.1:8080/v1/names?status=registered&limit=3'",
	"expiring":     "curl 'http://127.0.0.1:8080/v1/names/expiring?limit=3'",
	"statistics":   "curl 'http://127.0.0.1:8080/v1/names/statistics?days=7'",
	"bundle":       "curl -o names.bundle http://127.0.0.1:8080/v1/names/bundle",

	"events":      "curl 'http://127.0.0.1:8080/v1/events?limit=3'",
	"eventStream": "curl -N --max-time 2 'http://127.0.0.1:8080/v1/events/stream?after=start'",
	"reorgs":      sampleAt + "/v1/reorgs",

	"nodes":         "curl 'http://127.0.0.1:8080/v1/nodes?fields=key,state,swarm,latency&order=-latency&limit=3'",
	"node":          sampleAt + "/v1/nodes/" + sampleNode,
	"pick":          "curl 'http://127.0.0.1:8080/v1/nodes/pick?n=3&max_latency=10s'",
	"aggregate":     "curl 'http://127.0.0.1:8080/v1/nodes/aggregate?by=storage_version'",
	"swarms":        sampleAt + "/v1/swarms",
	"swarm":         sampleAt + "/v1/swarms/" + sampleSwarm,
	"paths":         sampleAt + "/v1/paths/statistics",
	"storageNodes":  sampleAt + "/v1/service-nodes/storage-nodes",
	"nodeHistory":   "curl 'http://127.0.0.1:8080/v1/nodes/" + sampleNode + "/history?series=uptime'",
	"nodeEvents":    sampleAt + "/v1/nodes/" + sampleNode + "/events",
	"allNodeEvents": "curl 'http://127.0.0.1:8080/v1/nodes/events?after=0&limit=3'",
	"report":        "curl -H 'Content-Type: application/octet-stream' -d 'what onsight probe signs' http://127.0.0.1:8080/v1/probe/reports",

	"adminStatus": sampleAdmin + "/status",
	"logLevel":    "curl -X PUT -H 'Content-Type: application/json' -d '{\"level\":\"debug\"}' -H 'Authorization: Bearer TOKEN' http://127.0.0.1:8080/v1/admin/log-level",
	"probers":     sampleAdmin + "/probers",
	"enrol": "curl -X PUT -H 'Content-Type: application/json' -d '{\"key\":\"1111111111111111111111111111111111111111111111111111111111111111\"}' " +
		"-H 'Authorization: Bearer TOKEN' http://127.0.0.1:8080/v1/admin/probers/berlin",
	"dismiss": "curl -X DELETE -H 'Authorization: Bearer TOKEN' http://127.0.0.1:8080/v1/admin/probers/berlin",
}

// addSample puts the sample of an operation into the document, as several tools show it.
func addSample(op *huma.Operation) {
	type sample struct {
		Lang   string `json:"lang"`
		Source string `json:"source"`
	}
	if samples[op.OperationID] == "" {
		return // TestDocument fails
	}
	op.Extensions = map[string]any{"x-codeSamples": []sample{{"Shell", samples[op.OperationID]}}}
}
