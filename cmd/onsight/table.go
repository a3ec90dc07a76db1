package main

import (
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether a person looks at what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured reports whether answers may have colours: on a terminal whose user has not said no (no-color.org).
func (p program) coloured() bool {
	return isTerminal(p.stdout) && p.env("NO_COLOR") == "" && p.env("TERM") != "dumb"
}

// Colours of cells, as ECMA-48 numbers them.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// cell is one field of a table.
type cell struct {
	text   string
	colour string
	right  bool // of the column, as numbers stand
}

// table is text in columns as wide as their widest cell. Unlike text/tabwriter it does not count colours as width.
type table struct {
	colours bool
	rows    [][]cell
}

// add takes a row over. What a daemon, a server or a node said can do nothing to the terminal.
func (t *table) add(row ...cell) {
	for i := range row {
		row[i].text = strings.Map(printable, row[i].text)
	}
	t.rows = append(t.rows, row)
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return -1
	}
	return r
}

// heads adds a row of titles, aligned as the columns below it.
func (t *table) heads(names []string, right func(string) bool) {
	row := make([]cell, len(names))
	for i, n := range names {
		row[i] = cell{text: strings.ToUpper(strings.ReplaceAll(n, "_", " ")), colour: bold, right: right(n)}
	}
	t.add(row...)
}

// pair adds a line of a name and what it is.
func (t *table) pair(name, text string) { t.add(cell{text: name, colour: dim}, cell{text: text}) }

func (t *table) write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		gap := 0 // blanks that are due before the next text, and never at the end of a line
		for i, c := range row {
			blanks := widths[i] - utf8.RuneCountInString(c.text)
			if c.right {
				gap, blanks = gap+blanks, 0
			}
			if c.text != "" {
				b.WriteString(strings.Repeat(" ", gap))
				gap = 0
				t.paint(&b, c)
			} else {
				gap += utf8.RuneCountInString(c.text)
			}
			gap += blanks + 2
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) paint(b *strings.Builder, c cell) {
	if !t.colours || c.colour == plain {
		b.WriteString(c.text)
		return
	}
	b.WriteString("\x1b[" + c.colour + "m" + c.text + "\x1b[0m")
}
