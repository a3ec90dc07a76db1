package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf16"

	"onsight/internal/terminal"
)

// show writes one thing: as a table or whatever text writes, or as JSON.
func (p program) show(f *flags, v any, text func() error) error {
	if f.output == "text" {
		return text()
	}
	return p.printJSON(f, v)
}

func (p program) printJSON(f *flags, v any) error {
	indent := ""
	if f.output == "json" {
		indent = "  "
	}
	b, err := encode(v, "", indent)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(b)
	return err
}

// encode returns a line of JSON, or an indented one. The text in it stays what it is, but whatever could steer a terminal is escaped.
func encode(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	steers := func(r rune) bool { return r != '\n' && terminal.Steers(r) } // breaks are JSON's own: those of texts are escaped already
	if bytes.IndexFunc(b.Bytes(), steers) < 0 {
		return b.Bytes(), nil
	}
	var safe bytes.Buffer
	for _, r := range b.String() {
		if !steers(r) {
			safe.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&safe, "\\u%04x", unit)
		}
	}
	return safe.Bytes(), nil
}

// list writes things as they come: one array of JSON, a line of JSON each, or rows of a table. Close it.
type list[V any] struct {
	p     program
	f     *flags
	row   func(t *terminal.Table, v V)
	table *terminal.Table
	n     int
}

// newList is a list with a table of these heads, and what makes a row of a thing.
func newList[V any](p program, f *flags, heads []string, row func(t *terminal.Table, v V)) *list[V] {
	t := p.table()
	if heads != nil {
		t.Heads(heads...)
	}
	return &list[V]{p: p, f: f, row: row, table: t}
}

func (l *list[V]) add(v V) error {
	l.n++
	switch l.f.output {
	case "text":
		l.row(l.table, v)
		return nil
	case "jsonl":
		return l.p.printJSON(l.f, v)
	}
	before := ",\n  "
	if l.n == 1 {
		before = "[\n  "
	}
	b, err := encode(v, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(l.p.stdout, before+string(bytes.TrimSpace(b)))
	return err
}

// close ends the list. An empty table is nothing at all.
func (l *list[V]) close() error {
	switch {
	case l.f.output == "text" && l.n > 0:
		return l.table.Write(l.p.stdout)
	case l.f.output != "json":
		return nil
	case l.n == 0:
		_, err := io.WriteString(l.p.stdout, "[]\n")
		return err
	}
	_, err := io.WriteString(l.p.stdout, "\n]\n")
	return err
}

// line writes a text that may be anybody's as one line.
func (p program) line(text string) error {
	_, err := io.WriteString(p.stdout, terminal.Line(text)+"\n")
	return err
}

// table is one with colours if somebody sees them.
func (p program) table() *terminal.Table { return &terminal.Table{Colours: p.coloured()} }

// coloured reports whether answers may have colours: on a terminal whose user has not said no (no-color.org).
func (p program) coloured() bool {
	return terminal.Is(p.stdout) && p.env("NO_COLOR") == "" && p.env("TERM") != "dumb"
}

// clock is a time in JSON: UTC, to the millisecond. The zero Time is none.
func clock(t time.Time) *string {
	if t.IsZero() || t.Unix() == 0 {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &s
}

// moment is a time in a table, in the zone of who looks. The zero Time is nothing.
func moment(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}
