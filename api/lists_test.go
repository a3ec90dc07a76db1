package api

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLists: equal questions that come together are answered once, what is kept is bounded, the latest stays, errors do not.
func TestLists(t *testing.T) {
	t.Parallel()
	var l lists
	var made atomic.Int64
	of := func(size int) func() (*document, error) {
		return func() (*document, error) {
			made.Add(1)
			return newDocument(make([]byte, size), 1), nil
		}
	}
	begin, together := make(chan struct{}), sync.WaitGroup{}
	for range 50 {
		together.Go(func() {
			<-begin
			if d, err := l.get("same", of(10)); err != nil || len(d.plain.body) != 10 {
				t.Errorf("%v %v", d, err)
			}
		})
	}
	close(begin)
	together.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times, want once", made.Load())
	}
	ask := func(key string, size int) (again bool) {
		before := made.Load()
		if _, err := l.get(key, of(size)); err != nil {
			t.Error(err)
		}
		return made.Load() > before
	}
	for i := range listsMost - 1 {
		ask(fmt.Sprint(i), 100)
	}
	if ask("same", 10) || ask("0", 100) {
		t.Error("something was dropped before there were too many")
	}
	ask("one more", 100)
	if !ask("1", 100) || ask("same", 10) || ask("0", 100) {
		t.Error("not the one was dropped that was asked for longest ago")
	}
	if ask("large", listBytesMost/2-500); ask("large", listBytesMost/2-500) || ask("same", 10) || !ask("30", 100) || l.bytes > listBytesMost {
		t.Errorf("%d bytes are kept", l.bytes)
	}
	if ask("too large", listBytesMost); !ask("too large", listBytesMost) || l.bytes != 0 || l.order.Len() != 0 || len(l.byKey) != 0 {
		t.Errorf("%d lists of %d bytes are kept", l.order.Len(), l.bytes)
	}
	failing := errors.New("none")
	if _, err := l.get("error", func() (*document, error) { return nil, failing }); !errors.Is(err, failing) || !ask("error", 10) {
		t.Errorf("%v, and it is kept", err)
	}
}
