package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"onsight/ons"
)

const schemas = "#/components/schemas/"

// newHumaConfig returns a huma that describes and does nothing else: no document routes, no pages that load scripts
// from elsewhere, no $schema fields.
func newHumaConfig() huma.Config {
	return huma.Config{OpenAPI: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:   "onsight",
			Version: "1",
			Description: "The names of the Oxen Name System, by their hashes: no operation takes a plain name. " +
				"Every reply but this document and the bundle carries `as_of`, the block of which it is true; it is null while the index is empty. " +
				"Errors are `application/problem+json` with a stable `code`. Query parameters that are not listed are an error. " +
				"HEAD works wherever GET does. Service nodes are followed apart from names: `as_of` is of what was asked.",
		},
		Components: &huma.Components{
			Schemas:   huma.NewMapRegistry(schemas, schemaName),
			Responses: map[string]*huma.Response{},
			SecuritySchemes: map[string]*huma.SecurityScheme{tokenScheme: {
				Type: "http", Scheme: "bearer", Description: "The token in the server's --admin-token-file",
			}},
		},
		Tags: []*huma.Tag{{Name: "names"}, {Name: "events"}, {Name: "nodes"}, {Name: "service"}, {Name: "operator"}},
	}}
}

// schemaName calls nameView Name.
func schemaName(t reflect.Type, _ string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	r := []rune(strings.TrimSuffix(t.Name(), "View"))
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// encodeDocument returns the document and its ETag.
func encodeDocument(o *huma.OpenAPI) ([]byte, []string) {
	b, err := json.Marshal(o)
	if err != nil {
		panic("api: internal error: " + err.Error())
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		panic("api: internal error: " + err.Error())
	}
	out.WriteByte('\n')
	sum := sha256.Sum256(out.Bytes())
	return out.Bytes(), []string{`"` + hex.EncodeToString(sum[:16]) + `"`}
}

// ginPath turns {param} into :param.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// queryNames returns the query parameters of an operation.
func queryNames(op *huma.Operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

// describer says in the document what the operations do, one method each.
type describer struct{ registry huma.Registry }

// newDescriber describes beside the operations what belongs to none of them.
func newDescriber(c *huma.Components, nodes bool) describer {
	d := describer{c.Schemas}
	d.registry.Schema(reflect.TypeFor[asOfView](), true, "")
	d.reply("Problem", problemView{})
	code := d.registry.Map()["Problem"].Properties["code"]
	known := slices.Concat([]fault{internal}, faults, adminFaults)
	if nodes {
		known = slices.Concat(known, nodeFaults, reportFaults)
	}
	for _, f := range known {
		if !slices.Contains(code.Enum, any(f.code)) {
			code.Enum = append(code.Enum, f.code)
		}
	}
	c.Responses["NoSuchPath"] = d.problems(errNoPath)
	c.Responses["MethodNotAllowed"] = d.problems(errMethod)
	return d
}

func (d describer) healthz() *huma.Operation {
	op := operation("healthz", http.MethodGet, "/healthz", "service", "Is the process alive", "")
	d.replies(op, "Health", healthView{}, nil, examples{"ok": exampleSealed(healthView{Status: "ok"})})
	d.fails(op)
	return op
}

func (d describer) readyz() *huma.Operation {
	op := operation("readyz", http.MethodGet, "/readyz", "service", "Can it tell what is not registered",
		"503 while the index is empty, incomplete, more than 2 blocks below the best daemon, or no daemon has answered for 10 minutes.")
	d.replies(op, "Health", healthView{}, nil, examples{"ready": exampleSealed(healthView{Status: "ready"})})
	d.fails(op, errBehind)
	return op
}

func (d describer) openapi() *huma.Operation {
	op := operation("openapi", http.MethodGet, "/openapi.json", "service", "This document", "")
	op.Responses["200"] = &huma.Response{
		Description: "OpenAPI 3.1", Headers: cacheHeaders(),
		Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}},
	}
	op.Responses["304"] = &huma.Response{Description: "The client has it"}
	d.fails(op)
	return op
}

func (d describer) status() *huma.Operation {
	op := operation("status", http.MethodGet, "/v1/status", "service", "Index, daemons and versions", "")
	d.replies(op, "Status", statusView{}, nil, examples{"ready": exampleSealed(exampleStatus()), "empty": exampleEmpty(exampleEmptyStatus())})
	d.fails(op)
	return op
}

func (d describer) name() *huma.Operation {
	op := operation("name", http.MethodGet, "/v1/names/{type}/{hash}", "names", "The newest record of a name",
		"A name that has expired is given with that status. One that never had a record is 404 `not_registered`, but only by an index "+
			"that is up to date; else it is 503 `behind`. A record that exists is given even then: see `as_of`."+pastText)
	op.Parameters = []*huma.Param{typeParam(), hashParam(), atHeightParam()}
	d.replies(op, "NameReply", nameView{}, cacheHeaders(), exampleNames())
	d.registry.Map()["NameReply"].Properties["at_height"] = atHeightField()
	d.fails(op, ons.ErrType, ons.ErrHash, errParameter, ons.ErrNotFound, errHeight, errBehind)
	return op
}

func (d describer) history() *huma.Operation {
	op := operation("history", http.MethodGet, "/v1/names/{type}/{hash}/history", "names", "What happened to a name, oldest first",
		strings.TrimSpace(pastText))
	op.Parameters = []*huma.Param{typeParam(), hashParam(), limitParam(), nextParam(), atHeightParam()}
	d.replies(op, "History", historyView{}, cacheHeaders(), examples{"bought and updated": exampleSealed(exampleHistory())})
	d.fails(op, ons.ErrType, ons.ErrHash, errParameter, errCursor, ons.ErrNotFound, errHeight, errBehind)
	return op
}

func (d describer) owned() *huma.Operation {
	op := operation("owned", http.MethodGet, "/v1/owners/{owner}/names", "names", "The names an owner may update",
		"As owner or as backup owner. An owner without names has an empty list, but only by an index that is up to date; else it is 503 `behind`.")
	op.Parameters = []*huma.Param{{
		Name: "owner", In: "path", Required: true, Description: "Wallet address of the network, or 64 hexadecimal digits of an Ed25519 key",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^([0-9A-Fa-f]{64}|[1-9A-HJ-NP-Za-km-z]{90,128})$"},
	}, limitParam(), nextParam()}
	d.replies(op, "Owned", ownedView{}, cacheHeaders(), examples{"one name": exampleSealed(exampleOwned())})
	d.fails(op, ons.ErrOwner, errParameter, errCursor, errBehind)
	return op
}

func (d describer) resolve() *huma.Operation {
	op := operation("resolve", http.MethodPost, "/v1/names/resolve", "names", "Up to 1,000 names at once",
		"In the order of the request. Names without a record are in the reply, with status `not_registered`, or `behind` if the index cannot tell now.")
	op.Parameters = []*huma.Param{{
		Name: "full", In: "query", Description: "1: whole records; 0: value, nonce and status only",
		Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"0", "1"}, Default: "0"},
	}}
	op.RequestBody = &huma.RequestBody{
		Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: d.registry.Schema(reflect.TypeFor[resolveView](), true, ""), Examples: exampleResolve().wrap(),
		}},
	}
	d.replies(op, "Answers", answersView{}, nil, exampleAnswers())
	d.registry.Map()["Answer"].Properties["record"] = orNull(huma.Schema{Ref: schemas + "Name"})
	d.fails(op, errParameter, ons.ErrType, ons.ErrHash, errBody, errTooMany, errTooLarge, errMediaType, errBehind)
	return op
}

func (d describer) ranges() *huma.Operation {
	op := operation("ranges", http.MethodGet, "/v1/names/range", "names", "Which ranges of hashes may be asked for",
		"So many bits that the smallest range holds at least k different hashes; fewer than that in all are one range.")
	d.replies(op, "Ranges", rangesView{}, cacheHeaders(), examples{"10,000 names": exampleSealed(exampleRanges())})
	d.fails(op, errBehind)
	return op
}

func (d describer) bucket() *huma.Operation {
	op := operation("range", http.MethodGet, "/v1/names/range/{bits}/{index}", "names", "The newest records of all names in a range of hashes",
		"Who asks does not say which of them is meant, nor whether it is there: all replies of as many bits have one size, padded with blanks. "+
			"Take fewer bits than are offered if you do not trust the numbers; 0/0 is everything.")
	low, high := 0.0, float64(maxBits)
	op.Parameters = []*huma.Param{
		{Name: "bits", In: "path", Required: true, Description: "0 to what /v1/names/range offers",
			Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}},
		{Name: "index", In: "path", Required: true, Description: "The first bits of the hash, as a number in lower-case hexadecimal digits without leading zeros",
			Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^(0|[1-9a-f][0-9a-f]?)$"}},
	}
	d.replies(op, "Range", bucketView{}, cacheHeaders(), examples{"one name": exampleSealed(exampleBucket())})
	d.fails(op, errRange, errBehind)
	return op
}

func (d describer) bundle() *huma.Operation {
	op := operation("bundle", http.MethodGet, "/v1/names/bundle", "names", "The whole registry, to look names up without asking",
		"Sorted rows of fixed width with a digest, or the changes since a block where they are known and smaller: bundle.go of package ons "+
			"draws both. Which it is, the first eight bytes tell. As of which block, it says itself.")
	op.Parameters = []*huma.Param{{
		Name: "since", In: "query", Description: "Hash of the block of a bundle you have",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-f]{64}$"},
	}}
	op.Responses["200"] = &huma.Response{
		Description: "A bundle or a delta", Headers: cacheHeaders(),
		Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
	op.Responses["304"] = &huma.Response{Description: "The client has it"}
	d.fails(op, errParameter, errBehind)
	return op
}

func operation(id, method, path, tag, summary, description string) *huma.Operation {
	return &huma.Operation{
		OperationID: id, Method: method, Path: path, Tags: []string{tag}, Summary: summary, Description: description,
		Responses: map[string]*huma.Response{},
	}
}

// reply adds the schema of a view with as_of, and returns a reference to it.
func (d describer) reply(name string, view any) *huma.Schema {
	if d.registry.Map()[name] == nil {
		s := huma.SchemaFromType(d.registry, reflect.TypeOf(view))
		s.Properties["as_of"] = orNull(huma.Schema{Ref: schemas + "AsOf"})
		s.Required = append(s.Required, "as_of")
		d.registry.Map()[name] = s
	}
	return &huma.Schema{Ref: schemas + name}
}

// nodeReply is reply for what is said of nodes, which has network besides.
func (d describer) nodeReply(name string, view any) *huma.Schema {
	of := d.reply(name, view)
	if s := d.registry.Map()[name]; s.Properties["network"] == nil {
		s.Properties["network"] = &huma.Schema{Type: huma.TypeString, Description: "That the nodes are of"}
		s.Required = append(s.Required, "network")
	}
	return of
}

// orNull is what huma cannot say of a struct: a reference or null.
func orNull(s huma.Schema) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{&s, {Type: "null"}}}
}

// replies describes the replies that are no errors. One with headers for caches can be 304.
func (d describer) replies(op *huma.Operation, schema string, view any, headers map[string]*huma.Param, ex examples) {
	of := d.reply(schema, view)
	if slices.Contains(op.Tags, "nodes") {
		of = d.nodeReply(schema, view)
	}
	op.Responses["200"] = &huma.Response{
		Description: "OK", Headers: headers,
		Content: map[string]*huma.MediaType{"application/json": {Schema: of, Examples: ex.wrap()}},
	}
	if headers != nil {
		op.Responses["304"] = &huma.Response{Description: "The client has what it would be given"}
	}
}

// fails describes the errors of an operation, and those that all have.
func (d describer) fails(op *huma.Operation, errs ...error) {
	byStatus := map[int][]error{}
	errs = append([]error{errUnknownParameter, errPanic}, errs...)
	if !slices.Contains(errs, errParameter) {
		errs = append(errs, errParameter) // a query that does not parse
	}
	if !unlimited[op.OperationID] {
		errs = append(errs, errRate, errConcurrent, errBusy)
	}
	for _, err := range errs {
		status := faultOf(err).status
		byStatus[status] = append(byStatus[status], err)
	}
	for status, errs := range byStatus {
		op.Responses[strconv.Itoa(status)] = d.problems(errs...)
	}
}

// problems describes errors of one status.
func (d describer) problems(errs ...error) *huma.Response {
	status := faultOf(errs[0]).status
	r := &huma.Response{Description: http.StatusText(status)}
	ex := examples{}
	for _, err := range errs {
		f := faultOf(err)
		ex[f.code] = exampleSealed(problem(exampleError(err)))
		if f.err == errBehind {
			ex["behind, empty"] = exampleEmpty(problem(exampleEmptyError()))
		}
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		r.Headers = map[string]*huma.Param{"Retry-After": {
			Description: "Seconds to wait", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger},
		}}
	}
	r.Content = map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: schemas + "Problem"}, Examples: ex.wrap()}}
	return r
}

func cacheHeaders() map[string]*huma.Param {
	return map[string]*huma.Param{
		"ETag": {Description: "For If-None-Match", Schema: &huma.Schema{Type: huma.TypeString}},
		"Last-Modified": {
			Description: "The time of the block, or later if something was changed since. Not for If-Modified-Since, which is not heeded: servers may give one date to different things",
			Schema:      &huma.Schema{Type: huma.TypeString},
		},
		"Cache-Control": {Schema: &huma.Schema{Type: huma.TypeString}},
	}
}

func typeParam() *huma.Param {
	return &huma.Param{Name: "type", In: "path", Required: true, Schema: &huma.Schema{
		Type: huma.TypeString, Enum: []any{"session", "wallet", "lokinet"},
	}}
}

func hashParam() *huma.Param {
	return &huma.Param{
		Name: "hash", In: "path", Required: true,
		Description: "BLAKE2b-256 of the folded name: 64 hexadecimal digits, or base64url without padding",
		Schema:      &huma.Schema{Type: huma.TypeString, Pattern: "^([0-9A-Fa-f]{64}|[0-9A-Za-z_-]{43})$"},
	}
}

func limitParam() *huma.Param {
	low, high := 1.0, float64(maxLimit)
	return &huma.Param{Name: "limit", In: "query", Description: "Length of the page", Schema: &huma.Schema{
		Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: defaultLimit,
	}}
}

func nextParam() *huma.Param {
	return &huma.Param{Name: "next", In: "query", Description: "Where the page begins: `next` of the page before", Schema: &huma.Schema{
		Type: huma.TypeString, Pattern: "^[0-9A-Za-z_-]*$",
	}}
}
