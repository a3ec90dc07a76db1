package store

import (
	"context"
	"strings"
	"time"
	"unicode"

	"gorm.io/gorm"
)

// Query is what messages are looked for.
type Query struct {
	Text   string    // words, all of which must occur; "a phrase" in quotes; a last * stands for any ending
	Chat   [33]byte  // zero: in all
	Sender [33]byte  // zero: of all
	After  time.Time // sent at or after; zero: from the first
	Before time.Time // sent before; zero: to the last
	Limit  int       // 0: none are found
}

// Search returns the messages that a query means, the last that came first: in that order the index is read, and only as far as
// the limit. Case and accents make no difference. A text without a word finds nothing.
func (s *Store) Search(ctx context.Context, q Query) ([]Message, error) {
	text := match(q.Text)
	if text == "" {
		return nil, nil
	}
	where, args := "search MATCH ?", []any{text}
	and := func(cond string, arg any) {
		where, args = where+" AND "+cond, append(args, arg)
	}
	if q.Chat != ([33]byte{}) {
		and("chat = ?", q.Chat[:])
	}
	if q.Sender != ([33]byte{}) {
		and("sender = ?", q.Sender[:])
	}
	if !q.After.IsZero() {
		and("sent >= ?", unix(q.After))
	}
	if !q.Before.IsZero() {
		and("sent < ?", unix(q.Before))
	}
	var rows []messageRow
	err := s.view(ctx, "search", func(tx *gorm.DB) error {
		return tx.Raw("SELECT messages.* FROM search JOIN messages ON messages.seq = search.rowid WHERE "+where+" ORDER BY search.rowid DESC LIMIT ?",
			append(args, q.Limit)...).Scan(&rows).Error
	})
	return messages(rows), err
}

// match returns a text as FTS5 wants it: every part quoted, so that nothing in it is an operator. Parts without a letter or
// digit are left out; if nothing stays it returns "".
func match(text string) string {
	var parts []string
	add := func(part string, prefix bool) {
		if strings.IndexFunc(part, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) < 0 {
			return
		}
		quoted := `"` + strings.ReplaceAll(strings.ReplaceAll(part, `"`, ` `), "\x00", " ") + `"`
		if prefix {
			quoted += "*"
		}
		parts = append(parts, quoted)
	}
	for i, part := range strings.Split(text, `"`) {
		if i%2 == 1 {
			add(part, false)
			continue
		}
		for _, word := range strings.Fields(part) {
			cut, prefix := strings.CutSuffix(word, "*")
			add(cut, prefix)
		}
	}
	return strings.Join(parts, " ")
}
