package terminal_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"onsight/internal/terminal"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, text, line string }{
		"plain":          {"hi, Zoë 👩‍🚀", "hi, Zoë 👩‍🚀", "hi, Zoë 👩‍🚀"},
		"colour":         {"\x1b[31mred\x1b[0m", "red", "red"},
		"clear":          {"\x1b[2J\x1b[1;1Hgone", "gone", "gone"},
		"title":          {"\x1b]0;owned\x07x", "x", "x"},
		"clipboard":      {"\x1b]52;c;ZXZpbA==\x1b\\x", "x", "x"},
		"one character":  {"\u009b31mred\u009d0;t\u009cx", "redx", "redx"},
		"one byte":       {"\x9b31mred", "\ufffd31mred", "\ufffd31mred"},
		"does not end":   {"\x1b]0;all of it", "0;all of it", "0;all of it"},
		"character set":  {"\x1b(0x\x1b)Bx\x1b7", "xx", "xx"},
		"escape last":    {"x\x1b", "x", "x"},
		"escape twice":   {"\x1b\x1b[31mx", "x", "x"},
		"over the line":  {"real\rfake\b\b", "real\nfake", "real fake"},
		"lines":          {"a\r\nb\u2028c\td", "a\nb\nc d", "a b c d"},
		"turned round":   {"\u202egnp.exe", "gnp.exe", "gnp.exe"},
		"hebrew":         {"שלום 1", "\u2068שלום 1\u2069", "\u2068שלום 1\u2069"},
		"arabic numbers": {"٣", "\u2068٣\u2069", "\u2068٣\u2069"},
		"two of them":    {"א\nb", "\u2068א\u2069\nb", "\u2068א b\u2069"},
		"own isolate":    {"\u2069\u2068א", "\u2068א\u2069", "\u2068א\u2069"},
		"tags":           {"a\U000e0041b", "ab", "ab"},
		"no room":        {"B\u200bo\u2060b\ufeff\u3164", "Bob", "Bob"},
		"joined":         {"می\u200cخواهم", "\u2068می\u200cخواهم\u2069", "\u2068می\u200cخواهم\u2069"},
		"nothing":        {"", "", ""},
	} {
		if got := terminal.Text(c.in); got != c.text {
			t.Errorf("%s: text %q, want %q", name, got, c.text)
		}
		if got := terminal.Line(c.in); got != c.line {
			t.Errorf("%s: line %q, want %q", name, got, c.line)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	in := "one two three four\nfive\n\n  as it stands, wide or not\nsix"
	if got, want := terminal.Fill(in, 10), "one two\nthree four\nfive\n\n  as it stands, wide or not\nsix"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"\x1b[31mred", "\u009d0;t\u009c", "\u202eא\n\u2069", "\xff\x1b]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, line := terminal.Text(s), terminal.Line(s)
		if !utf8.ValidString(text) || strings.ContainsRune(line, '\n') {
			t.Fatalf("text %q, line %q", text, line)
		}
		for _, r := range text {
			if unicode.IsControl(r) && r != '\n' {
				t.Fatalf("%q has %U", text, r)
			}
		}
		for part := range strings.SplitSeq(text, "\n") {
			if open, shut := strings.Count(part, "\u2068"), strings.Count(part, "\u2069"); open != shut || open > 1 {
				t.Fatalf("%q opens %d and shuts %d", part, open, shut)
			}
		}
		if again := terminal.Text(text); again != text {
			t.Fatalf("%q becomes %q", text, again)
		}
	})
}

func TestTable(t *testing.T) {
	t.Parallel()
	tb := terminal.Table{}
	tb.Heads("WHO", "UNREAD")
	tb.Add(terminal.Cell{Text: "Zo\x1b[1më"}, terminal.Cell{Text: "2", Right: true})
	tb.Add(terminal.Cell{Text: "日本"}, terminal.Cell{Text: "10", Right: true})
	var b strings.Builder
	if err := tb.Write(&b); err != nil {
		t.Fatal(err)
	}
	if want := "WHO   UNREAD\nZoë        2\n日本      10\n"; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
