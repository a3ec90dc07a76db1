package terminal

import (
	"strings"
	"unicode/utf8"
)

// Fill breaks the lines of a text that is ours anew, so that none is wider than width columns. A paragraph ends at an empty line and at one
// that begins with a blank; such a line stays as it is.
func Fill(text string, width int) string {
	var b strings.Builder
	column := 0 // of the line that is being filled; 0: none is
	end := func() {
		if column > 0 {
			b.WriteByte('\n')
		}
		column = 0
	}
	for _, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == ' ' {
			end()
			b.WriteString(line + "\n")
			continue
		}
		for _, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			if column > 0 && column+1+n > width {
				end()
			}
			if column > 0 {
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	end()
	return strings.TrimSuffix(b.String(), "\n")
}
