package api

import (
	"maps"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"onsight/directory"
)

func (d describer) nodes() *huma.Operation {
	op := operation("nodes", http.MethodGet, "/v1/nodes", "nodes", "The service nodes that are asked for",
		"All parameters have to hold; of several values separated by commas one. Without parameters it is every node on the list, "+
			"made with every change and compressed for clients that take gzip. What a node answers this server about itself is under "+
			"`unauthenticated`.\n\n"+
			"To keep the list, take it with `form=map`, and from then on with `since`, the ETag of what you have: that gives a JSON merge patch "+
			"(RFC 7396) which makes of your map the present one, and whose ETag is that of the present one. If yours is not known any more the "+
			"reply is the whole map again, as application/json. With If-None-Match besides it is 304 while nothing changed. A patch cannot say "+
			"null, so what is null in the list is absent in the map; absent are also `key`, and `last_seen`, which is `as_of` of every node in it.")
	op.Parameters = append(textParams(nodeParams), textParams(nodeShape[:2])...)
	op.Parameters = append(op.Parameters, intParam("limit", nodeShape[2].words, 1, directory.LimitMost), intParam("offset", nodeShape[3].words, 0, 999_999))
	op.Parameters = append(op.Parameters,
		&huma.Param{Name: "form", In: "query", Description: "map: the nodes by their keys, to which patches apply", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"map"}}},
		textParam("since", "The ETag of the map you have"))
	op.Parameters[len(op.Parameters)-1].Schema.MaxLength = ptr(sinceMost)
	d.describeNode()
	d.replies(op, "Nodes", nodesView{}, cacheHeaders(), examples{
		"one node": exampleNodes(nil), "some fields": exampleNodes([]string{"key", "state", "latency"}), "map": exampleNodeMap(),
	})
	d.describeMap(op)
	d.fails(op, errParameter, errBehind)
	return op
}

// describeMap describes the other forms of the list.
func (d describer) describeMap(op *huma.Operation) {
	d.nodeReply("NodeMap", nodeMapView{})
	d.nodeReply("NodePatch", nodePatchView{})
	nodes := d.registry.Map()["NodePatch"].Properties["nodes"]
	nodes.AdditionalProperties = orNull(*nodes.AdditionalProperties.(*huma.Schema))
	content := op.Responses["200"].Content
	list := content["application/json"]
	list.Schema = &huma.Schema{AnyOf: []*huma.Schema{list.Schema, {Ref: schemas + "NodeMap"}}}
	content["application/merge-patch+json"] = &huma.MediaType{
		Schema: &huma.Schema{Ref: schemas + "NodePatch"}, Examples: examples{"a proof came": exampleNodePatch()}.wrap(),
	}
}

func (d describer) node() *huma.Operation {
	op := operation("node", http.MethodGet, "/v1/nodes/{key}", "nodes", "All that is known of a node, gone or not",
		"With its score by terms, what speaks against it, a forecast with its assumptions, and the `vantages` that its history may be asked of.")
	op.Parameters = []*huma.Param{nodeKeyParam()}
	d.reply("NodeDetail", nodeDetailView{})
	detail := d.registry.Map()["NodeDetail"]
	maps.Copy(detail.Properties, d.registry.Map()["Node"].Properties) // huma does not see what is embedded
	d.replies(op, "NodeDetail", nodeDetailView{}, cacheHeaders(), examples{
		"active":         exampleNodeSealed(newNodeDetailView(exampleEntry(), exampleDirectory())),
		"decommissioned": exampleNodeSealed(newNodeDetailView(exampleDecommissioned(), exampleDirectory())),
	})
	d.fails(op, errNodeKey, errNoNode, errBehind)
	return op
}

func (d describer) pick() *huma.Operation {
	op := operation("pick", http.MethodGet, "/v1/nodes/pick", "nodes", "Good nodes to use",
		"Good is active, reachable, fast enough and with enough credit. No two share operator, /24, autonomous system or country unless "+
			"`relaxed` says so; on mainnet never a /24. diverse takes well-measured ones more often and none too often, fast always the "+
			"fastest, random any good one. Never cached.\n\n"+
			"Not for guards: a guard must be chosen by the client alone, from the whole list, and kept. Whoever serves this could otherwise "+
			"choose the first hop of every path, and knows which nodes it has named to you.")
	for _, p := range pickParams {
		op.Parameters = append(op.Parameters, textParam(p.name, p.words))
	}
	d.replies(op, "Picks", picksView{}, nil, examples{"one of three": exampleNodeSealed(examplePicks())})
	op.Responses["200"].Headers = map[string]*huma.Param{"Cache-Control": {Description: "no-store", Schema: &huma.Schema{Type: huma.TypeString}}}
	d.fails(op, errParameter, errBehind)
	return op
}

func (d describer) aggregate() *huma.Operation {
	op := operation("aggregate", http.MethodGet, "/v1/nodes/aggregate", "nodes", "Nodes counted by what they have in common",
		"Of the nodes that /v1/nodes would list with the same parameters.")
	op.Parameters = []*huma.Param{textParam("by", "One to four of "+strings.Join(directory.GroupNames(), ", ")+", separated by commas"), limitParam()}
	op.Parameters[0].Required = true
	op.Parameters[1].Description = "Rows"
	op.Parameters = append(op.Parameters, textParams(nodeParams)...)
	d.replies(op, "Table", tableView{}, cacheHeaders(), examples{"by state": exampleNodeSealed(exampleTable())})
	d.fails(op, errParameter, errBehind)
	return op
}

func (d describer) swarms() *huma.Operation {
	op := operation("swarms", http.MethodGet, "/v1/swarms", "nodes", "The swarms, by id",
		"To find the swarm of an account, load this and choose at home: asking for that swarm alone tells whose messages you want.")
	d.replies(op, "Swarms", swarmsView{}, cacheHeaders(), examples{"one swarm": exampleNodeSealed(newSwarmsView(grouped(exampleDirectory())))})
	d.fails(op, errBehind)
	return op
}

func (d describer) swarm() *huma.Operation {
	op := operation("swarm", http.MethodGet, "/v1/swarms/{id}", "nodes", "The members of a swarm", "")
	op.Parameters = []*huma.Param{{
		Name: "id", In: "path", Required: true, Description: "Hexadecimal",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9A-Fa-f]{1,16}$"},
	}}
	d.replies(op, "SwarmReply", swarmView{}, cacheHeaders(), examples{"one member": exampleNodeSealed(exampleSwarm())})
	d.fails(op, errSwarm, errNoSwarm, errBehind)
	return op
}

func (d describer) paths() *huma.Operation {
	op := operation("paths", http.MethodGet, "/v1/paths/statistics", "nodes", "What the hops of paths share",
		"Of 10,000 paths drawn from the list as the official client draws them, with every change. There is no operation that audits a path of "+
			"yours: that is done at home, by onsight paths audit.")
	d.replies(op, "Paths", pathsView{}, cacheHeaders(), examples{"too few nodes": exampleNodeSealed(newPathsView(exampleDirectory()))})
	d.fails(op, errBehind)
	return op
}

func (d describer) storageNodes() *huma.Operation {
	op := operation("storageNodes", http.MethodGet, "/v1/service-nodes/storage-nodes", "nodes", "Storage servers, in the form of api.oxen.io",
		"Active ones that are not known to be down, in an order that changes with every block.")
	d.replies(op, "StorageNodes", storageNodesView{}, cacheHeaders(), examples{"one node": exampleNodeSealed(newStorageNodesView(exampleDirectory()))})
	d.fails(op, errBehind)
	return op
}

func (d describer) nodeHistory() *huma.Operation {
	op := operation("nodeHistory", http.MethodGet, "/v1/nodes/{key}/history", "nodes", "What was measured of a node, over up to five years",
		"Every check for three days, hours for 90 days, days for five years. Gaps are null.")
	op.Parameters = []*huma.Param{
		nodeKeyParam(), textParam("vantage", "From where: here, which it is without it, or the name of an enrolled vantage point"),
		{Name: "series", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"latency", "uptime"}, Default: "latency"}},
		timeParam("from", "Beginning of the first slot that counts, or in it; without it as far as there is"),
		timeParam("to", "End; without it now"),
	}
	d.replies(op, "NodeHistory", nodeHistoryView{}, cacheHeaders(), examples{"an hour": exampleNodeSealed(exampleNodeHistory())})
	values := d.registry.Map()["Object"].Properties["values"]
	values.Items = orNull(huma.Schema{Type: huma.TypeInteger, Minimum: ptr(0.0), Maximum: ptr(999.0)})
	d.fails(op, errNodeKey, errParameter, errNoNode, errNoVantage, errBehind)
	return op
}

func (d describer) nodeEvents() *huma.Operation {
	op := operation("nodeEvents", http.MethodGet, "/v1/nodes/{key}/events", "nodes", "What happened to a node, oldest first", "")
	op.Parameters = []*huma.Param{nodeKeyParam(), afterParam(), limitParam()}
	d.replies(op, "NodeEvents", nodeEventsView{}, cacheHeaders(), examples{"decommissioned": exampleNodeSealed(exampleNodeEvents(false))})
	d.fails(op, errNodeKey, errParameter, errNoNode, errBehind)
	return op
}

func (d describer) allNodeEvents() *huma.Operation {
	op := operation("allNodeEvents", http.MethodGet, "/v1/nodes/events", "nodes", "What happened to all nodes, oldest first",
		"To follow it, ask again after the last seq. A row of kind undone says which of the rows you have did not happen.")
	op.Parameters = []*huma.Param{afterParam(), limitParam()}
	d.replies(op, "NodeEvents", nodeEventsView{}, cacheHeaders(), examples{"a reorganisation": exampleNodeSealed(exampleNodeEvents(true))})
	d.fails(op, errParameter, errBehind)
	return op
}

func (d describer) report() *huma.Operation {
	op := operation("report", http.MethodPost, "/v1/probe/reports", "nodes", "Hand in what an enrolled vantage point measured",
		"Signed bytes, as onsight probe makes them. All of a report is taken, or nothing.")
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary", MaxLength: ptr(directory.ReportMost)}},
	}}
	d.replies(op, "ReportReply", reportView{}, nil, examples{"accepted": exampleNodeSealed(reportView{Status: "accepted"})})
	errs := []error{errTooLarge, errBody, errReportType, errBehind}
	for _, f := range reportFaults {
		if f.err != directory.ErrReportSize { // errTooLarge has its code
			errs = append(errs, f.err)
		}
	}
	d.fails(op, errs...)
	return op
}

// describeNode describes a node. Nothing of it is required: what does not apply or is not asked for is not there.
func (d describer) describeNode() {
	d.registry.Schema(reflect.TypeFor[nodeView](), true, "")
	s := d.registry.Map()["Node"]
	s.Required = nil
	for field, of := range map[string]string{"reasons": "Why", "estimate": "Estimate", "verdict": "Verdict"} {
		either := orNull(huma.Schema{Ref: schemas + of})
		either.Description = s.Properties[field].Description
		s.Properties[field] = either
	}
}

func textParam(name, words string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: words, Schema: &huma.Schema{Type: huma.TypeString, MinLength: ptr(1)}}
}

func textParams(from []struct{ name, words string }) (all []*huma.Param) {
	for _, p := range from {
		one := textParam(p.name, p.words)
		one.Schema.MaxLength = ptr(longest(p.name))
		all = append(all, one)
	}
	return all
}

func intParam(name, words string, low, high float64) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: words, Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}}
}

func timeParam(name, words string) *huma.Param {
	p := textParam(name, words+". RFC 3339, or seconds since 1970")
	p.Schema.MaxLength = ptr(timeMost)
	return p
}

func afterParam() *huma.Param {
	p := intParam("after", "The seq of the last event that you have; without it the log begins", 0, 1<<53)
	p.Schema.Format = "int64"
	return p
}

func nodeKeyParam() *huma.Param {
	return &huma.Param{Name: "key", In: "path", Required: true, Description: "The legacy key", Schema: &huma.Schema{
		Type: huma.TypeString, Pattern: "^[0-9A-Fa-f]{64}$",
	}}
}
