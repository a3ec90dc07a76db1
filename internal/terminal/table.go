package terminal

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Colours of cells, as ECMA-48 numbers them.
const (
	Plain  = ""
	Bold   = "1"
	Dim    = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

// Cell is one field of a table. Its text may be anybody's: it passes Line.
type Cell struct {
	Text   string
	Colour string
	Right  bool // of the column, as numbers stand
}

// Table is text in columns as wide as their widest cell. Colours take no room, nor do accents, and CJK takes twice as much.
type Table struct {
	Colours bool
	rows    [][]Cell
}

// Add adds a row, which it takes over.
func (t *Table) Add(row ...Cell) {
	for i := range row {
		row[i].Text = Line(row[i].Text)
	}
	t.rows = append(t.rows, row)
}

// Heads adds a row of titles.
func (t *Table) Heads(names ...string) {
	row := make([]Cell, len(names))
	for i, n := range names {
		row[i] = Cell{Text: n, Colour: Bold}
	}
	t.Add(row...)
}

// Pair adds a line of a name and what it is.
func (t *Table) Pair(name, text string) { t.Add(Cell{Text: name, Colour: Dim}, Cell{Text: text}) }

// Write writes all rows. The error is w's.
func (t *Table) Write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(c.Text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		gap := 0 // blanks that are due before the next text, and never at the end of a line
		for i, c := range row {
			blanks := widths[i] - Width(c.Text)
			if c.Right {
				gap, blanks = gap+blanks, 0
			}
			if c.Text != "" {
				b.WriteString(strings.Repeat(" ", gap))
				gap = 0
				t.paint(&b, c)
			}
			gap += blanks + 2
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) paint(b *strings.Builder, c Cell) {
	if !t.Colours || c.Colour == Plain {
		b.WriteString(c.Text)
		return
	}
	b.WriteString("\x1b[" + c.Colour + "m" + c.Text + "\x1b[0m")
}

// Width returns how many columns of a terminal a line takes.
func Width(s string) (n int) {
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
