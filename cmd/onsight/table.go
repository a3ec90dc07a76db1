package main

import (
	"io"
	"strings"

	"onsight/internal/terminal"
)

// coloured reports whether answers may have colours: on a terminal whose user has not said no (no-color.org).
func (p program) coloured() bool {
	return terminal.Is(p.stdout) && p.env("NO_COLOR") == "" && p.env("TERM") != "dumb"
}

// Colours of cells.
const (
	plain  = terminal.Plain
	bold   = terminal.Bold
	dim    = terminal.Dim
	red    = terminal.Red
	green  = terminal.Green
	yellow = terminal.Yellow
)

// cell is one field of a table.
type cell struct {
	text   string
	colour string
	right  bool // of the column, as numbers stand
}

// table is a terminal.Table: what a daemon, a server or a node said can do nothing to the terminal.
type table struct {
	colours bool
	rows    [][]cell
}

// add takes a row over.
func (t *table) add(row ...cell) { t.rows = append(t.rows, row) }

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
	shown := terminal.Table{Colours: t.colours}
	for _, row := range t.rows {
		cells := make([]terminal.Cell, len(row))
		for i, c := range row {
			cells[i] = terminal.Cell{Text: c.text, Colour: c.colour, Right: c.right}
		}
		shown.Add(cells...)
	}
	return shown.Write(w)
}
