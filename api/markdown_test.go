package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// page is a document as it is made readable: what of OpenAPI we use.
type page struct {
	out   bytes.Buffer
	slugs map[string]bool

	Tags       []struct{ Name, Description string }
	Paths      map[string]map[string]pageOperation
	Components struct{ Schemas map[string]*pageSchema }
}

type pageOperation struct {
	OperationID, Summary, Description string

	Tags        []string
	Parameters  []pageParam
	RequestBody *struct{ Content map[string]pageContent }
	Responses   map[string]struct {
		Description string
		Headers     map[string]struct{ Description string }
		Content     map[string]pageContent
	}
	Samples []struct{ Source string } `json:"x-codeSamples"`

	method, path string
}

type pageParam struct {
	Name, In, Description string
	Required              bool
	Schema                pageSchema
}

type pageContent struct {
	Schema   pageSchema
	Examples map[string]struct{ Value json.RawMessage }
}

type pageSchema struct {
	Ref                  string `json:"$ref"`
	Type                 any    // a word or several
	Description, Format  string
	Pattern              string
	Enum                 []any
	Minimum, Maximum     *float64
	MinLength, MaxLength *int
	Default              any
	Items                *pageSchema
	AnyOf                []pageSchema
	Properties           map[string]*pageSchema
	Required             []string
}

// common are the codes that every operation may answer with; the introduction explains them.
var common = []string{"unknown_parameter", "internal", "rate_limited", "too_many_at_once", "busy"}

// markdown makes a readable document.
func markdown(introduction, raw []byte) ([]byte, error) {
	p := page{slugs: map[string]bool{}}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	p.print("<!-- Made of api/introduction.md and api/openapi.json by: go test ./api -update -->\n\n%s\n", bytes.TrimSpace(introduction))
	for line := range strings.Lines(string(introduction)) {
		if title := strings.TrimLeft(line, "#"); title != line {
			p.slugs[slug(strings.TrimSpace(title))] = true
		}
	}
	byTag := map[string][]pageOperation{}
	for path, methods := range p.Paths {
		for method, op := range methods {
			if len(op.Tags) == 0 || len(op.Samples) != 1 || op.Samples[0].Source == "" {
				return nil, fmt.Errorf("%s: needs a tag, and a line in samples.go", op.OperationID)
			}
			op.method, op.path = strings.ToUpper(method), path
			byTag[op.Tags[0]] = append(byTag[op.Tags[0]], op)
		}
	}
	for _, ops := range byTag {
		slices.SortFunc(ops, func(a, b pageOperation) int {
			return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
		})
	}
	p.print("\n## Operations\n")
	for _, tag := range p.Tags {
		p.print("\n**%s**\n\n", tag.Name)
		for _, op := range byTag[tag.Name] {
			p.print("* [`%s`](#%s) %s\n", op.title(), slug(op.title()), op.Summary)
		}
	}
	for _, tag := range p.Tags {
		for _, op := range byTag[tag.Name] {
			if err := p.operation(op); err != nil {
				return nil, fmt.Errorf("%s: %w", op.OperationID, err)
			}
		}
		delete(byTag, tag.Name)
	}
	if len(byTag) > 0 {
		return nil, fmt.Errorf("tags that are not listed: %v", slices.Collect(maps.Keys(byTag)))
	}
	p.print("\n## What replies are made of\n\nA field that is not marked optional is always there.\n")
	for _, name := range slices.Sorted(maps.Keys(p.Components.Schemas)) {
		if err := p.schema(name, p.Components.Schemas[name]); err != nil {
			return nil, err
		}
	}
	return p.out.Bytes(), nil
}

func (p *page) print(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// heading begins a section, whose address must be its own.
func (p *page) heading(level int, title string) error {
	at := slug(title)
	if p.slugs[at] {
		return fmt.Errorf("two sections have the address #%s", at)
	}
	p.slugs[at] = true
	p.print("\n%s %s\n", strings.Repeat("#", level), title)
	return nil
}

// slug is the address that readers of Markdown give a heading.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}

// words say what a parameter is. Where they do, that a free text is a text needs no saying.
func (q pageParam) words() string {
	if s := q.Schema; q.Description != "" && s.Type == "string" && s.Pattern == "" && len(s.Enum) == 0 && s.Default == nil {
		return q.Description
	}
	return sentence(q.Description, kind(&q.Schema))
}

func (op pageOperation) title() string { return op.method + " " + op.path }

func (p *page) operation(op pageOperation) error {
	if err := p.heading(3, op.title()); err != nil {
		return err
	}
	p.print("\n%s.", op.Summary)
	if op.Description != "" {
		p.print(" %s", op.Description)
	}
	p.print("\n")
	if len(op.Parameters) > 0 {
		p.print("\n| parameter | in | value |\n|---|---|---|\n")
		for _, q := range op.Parameters {
			in := q.In
			if q.Required && q.In == "query" {
				in += ", required"
			}
			p.print("| `%s` | %s | %s |\n", q.Name, in, cell(q.words()))
		}
	}
	if op.RequestBody != nil {
		for _, media := range slices.Sorted(maps.Keys(op.RequestBody.Content)) {
			p.print("\nThe body is `%s`: %s.\n", media, kind(new(op.RequestBody.Content[media].Schema)))
		}
	}
	p.print("\n```\n%s\n```\n", op.Samples[0].Source)
	ok := op.Responses["200"]
	for _, media := range slices.Sorted(maps.Keys(ok.Content)) {
		content := ok.Content[media]
		p.print("\n**200**, `%s`: %s", media, kind(&content.Schema))
		if len(ok.Headers) > 0 {
			p.print("; headers %s", quoted(slices.Sorted(maps.Keys(ok.Headers))))
		}
		if len(content.Examples) == 0 {
			p.print(".\n")
			continue
		}
		names := slices.Sorted(maps.Keys(content.Examples))
		name := names[len(names)-1] // "registered" comes after "expired", "ready" after "empty"
		example, err := layout(content.Examples[name].Value)
		if err != nil {
			return err
		}
		p.print(". For example (%s):\n\n```json\n%s\n```\n", name, example)
	}
	var others []string
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		var codes []string
		for code := range op.Responses[status].Content["application/problem+json"].Examples {
			if code, _, _ = strings.Cut(code, ","); !slices.Contains(common, code) && !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
		slices.Sort(codes)
		switch {
		case status == "304":
			others = append(others, "**304**")
		case status != "200" && len(codes) > 0:
			others = append(others, "**"+status+"** "+quoted(codes))
		}
	}
	if len(others) > 0 {
		p.print("\nAlso %s.\n", strings.Join(others, "; "))
	}
	return nil
}

func (p *page) schema(name string, s *pageSchema) error {
	if err := p.heading(3, name); err != nil {
		return err
	}
	if s.Description != "" {
		p.print("\n%s.\n", s.Description)
	}
	p.print("\n| field | value |\n|---|---|\n")
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		of := s.Properties[field]
		what := kind(of)
		if !slices.Contains(s.Required, field) {
			what = "optional, " + what
		}
		p.print("| `%s` | %s |\n", field, cell(sentence(of.Description, what)))
	}
	return nil
}

// sentence puts what is said of a value before its kind.
func sentence(words, kind string) string {
	if words == "" {
		return kind
	}
	return words + " (" + kind + ")"
}

// cell is a text inside a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(text)
}

func quoted(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

// kind says in a few words what values a schema allows.
func kind(s *pageSchema) string {
	if name, ok := strings.CutPrefix(s.Ref, schemas); ok {
		return "[" + name + "](#" + slug(name) + ")"
	}
	if len(s.AnyOf) > 0 {
		var all []string
		for i := range s.AnyOf {
			all = append(all, kind(&s.AnyOf[i]))
		}
		return strings.Join(all, " or ")
	}
	var words []string
	switch t := s.Type.(type) {
	case string:
		words = append(words, t)
	case []any:
		for _, one := range t {
			words = append(words, fmt.Sprint(one))
		}
	default:
		words = append(words, "anything")
	}
	if words[0] == "array" && s.Items != nil {
		words[0] = "list of " + kind(s.Items)
	}
	text := strings.Join(words, " or ")
	switch {
	case len(s.Enum) > 0:
		var all []string
		for _, v := range s.Enum {
			all = append(all, fmt.Sprint(v))
		}
		text = quoted(all)
	case s.Minimum != nil && s.Maximum != nil:
		text += " from " + bound(*s.Minimum) + " to " + bound(*s.Maximum)
	case s.Format == "date-time" || s.Format == "binary":
		text += ", " + s.Format
	case s.Pattern != "":
		text += " like `" + s.Pattern + "`"
	case s.MaxLength != nil:
		text += ", at most " + strconv.Itoa(*s.MaxLength) + " bytes"
	}
	if s.Default != nil {
		text += "; without it " + fmt.Sprint(s.Default)
	}
	return text
}

func bound(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// wide is how long a line of an example may be.
const wide = 116

// layout breaks JSON into lines where it has to be, and leaves what fits on one.
func layout(raw []byte) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", err
	}
	var out strings.Builder
	err := layOut(&out, compact.Bytes(), "", 0)
	return out.String(), err
}

// layOut writes a value that begins after some characters of a line that is indented.
func layOut(out *strings.Builder, raw []byte, indent string, before int) error {
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' || len(indent)+before+len(raw) <= wide {
		out.Write(raw)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return err
	}
	inner := indent + "  "
	out.WriteByte(raw[0])
	for first := true; d.More(); first = false {
		if !first {
			out.WriteByte(',')
		}
		out.WriteString("\n" + inner)
		key := ""
		if raw[0] == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			key = fmt.Sprintf("%q: ", t)
			out.WriteString(key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := layOut(out, value, inner, len(key)); err != nil {
			return err
		}
	}
	out.WriteString("\n" + indent + string(raw[len(raw)-1]))
	return nil
}
