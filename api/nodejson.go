package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"onsight/directory"
)

// nodeJSON is a nodeView as JSON, cut into its fields: with `"name":` before each value, nil for one that is absent.
type nodeJSON [][]byte

// column is a field of nodeView.
type column struct {
	name     string
	optional bool // absent if zero
}

// nodeColumns are the fields of nodeView in order.
var nodeColumns = func() (all []column) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[nodeView]()) {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, column{name, rest == "omitempty"})
	}
	return all
}()

// columns returns which fields are shown, in order; nil for all.
func columns(fields []string) []int {
	var show []int
	for i, c := range nodeColumns {
		if slices.Contains(fields, c.name) {
			show = append(show, i)
		}
	}
	return show
}

// json returns an entry of the snapshot as JSON. It is made when it is first asked for.
func (b *board) json(e *directory.Entry) nodeJSON {
	i, _ := slices.BinarySearchFunc(b.snap.Entries, e.Node.Key, func(o directory.Entry, k directory.Key) int { return o.Node.Key.Compare(k) })
	if made := b.nodes[i].Load(); made != nil {
		return *made
	}
	made := newNodeJSON(newNodeView(e))
	b.nodes[i].Store(&made)
	return made
}

func newNodeJSON(v nodeView) nodeJSON {
	of := reflect.ValueOf(v)
	cut := make(nodeJSON, len(nodeColumns))
	for i, c := range nodeColumns {
		if f := of.Field(i); !c.optional || !f.IsZero() {
			cut[i] = append([]byte(`"`+c.name+`":`), must(json.Marshal(f.Interface()))...)
		}
	}
	return cut
}

// appendTo writes the object with the fields to show.
func (n nodeJSON) appendTo(b []byte, show []int) []byte {
	b = append(b, '{')
	empty := true
	field := func(i int) {
		if len(n[i]) == 0 {
			return
		}
		if !empty {
			b = append(b, ',')
		}
		b, empty = append(b, n[i]...), false
	}
	if show == nil {
		for i := range n {
			field(i)
		}
	}
	for _, i := range show {
		field(i)
	}
	return append(b, '}')
}
