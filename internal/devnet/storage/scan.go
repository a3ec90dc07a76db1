package storage

import (
	"bytes"
	"encoding/json"
)

// each shows the members of an object or array one by one, until take returns false: the values without the space around them, and an
// object's names as they are written, with their quotes. raw must begin a value, after no space, of a document that was checked to be
// JSON. Nothing is copied and nothing is kept, so that it does not matter how many members there are.
func each(raw json.RawMessage, take func(name, value json.RawMessage) bool) {
	object := raw[0] == '{'
	for b := space(raw[1:]); b[0] != '}' && b[0] != ']'; {
		var name json.RawMessage
		if object {
			n := length(b)
			name, b = b[:n:n], space(b[n:])
			b = space(b[1:]) // the colon
		}
		n := length(b)
		if !take(name, b[:n:n]) {
			return
		}
		if b = space(b[n:]); b[0] == ',' {
			b = space(b[1:])
		}
	}
}

func space(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// length is that of the value b begins with.
func length(b []byte) int {
	switch b[0] {
	case '"':
		for end := 1; ; end++ {
			end += bytes.IndexByte(b[end:], '"')
			escapes := end
			for b[escapes-1] == '\\' {
				escapes--
			}
			if (end-escapes)%2 == 0 {
				return end + 1
			}
		}
	case '{', '[':
		for end, depth := 0, 0; ; end++ {
			switch b[end] {
			case '"':
				end += length(b[end:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return end + 1
				}
			}
		}
	}
	if end := bytes.IndexAny(b, ",]} \t\r\n"); end >= 0 {
		return end
	}
	return len(b)
}
