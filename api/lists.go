package api

import (
	"container/list"
	"sync"
)

// Bounds of the lists that are kept of one snapshot, beside the whole one.
const (
	listsMost     = 64
	listBytesMost = 16 << 20 // encodings together, about
)

// lists keeps what was asked for of one snapshot, the latest of it, so that the same question again costs nothing; those that
// come together share one answer. It goes with the snapshot. The zero lists are empty.
type lists struct {
	mu    sync.Mutex // guards what follows
	byKey map[string]*list.Element
	order list.List // of *keptList, the latest first
	bytes int
}

// keptList is one of them. It may be dropped while it is made, and is given to those who wait for it all the same.
type keptList struct {
	key    string
	answer func() (*document, error)
	bytes  int // 0: not made yet
}

// get returns what answer says, or has said for the same key. An error is not kept.
func (l *lists) get(key string, answer func() (*document, error)) (*document, error) {
	at := l.find(key, answer)
	d, err := at.Value.(*keptList).answer()
	l.settle(at, d, err)
	return d, err
}

func (l *lists) find(key string, answer func() (*document, error)) *list.Element {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.byKey[key]; at != nil {
		l.order.MoveToFront(at)
		return at
	}
	if l.byKey == nil {
		l.byKey = map[string]*list.Element{}
	}
	at := l.order.PushFront(&keptList{key: key, answer: sync.OnceValues(answer)})
	l.byKey[key] = at
	for l.order.Len() > listsMost {
		l.drop(l.order.Back())
	}
	return at
}

// settle counts what was made, once.
func (l *lists) settle(at *list.Element, d *document, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := at.Value.(*keptList)
	if l.byKey[k.key] != at || k.bytes > 0 {
		return
	}
	if err != nil {
		l.drop(at)
		return
	}
	k.bytes = 2 * len(d.plain.body) // with its gzip, which is no larger
	l.bytes += k.bytes
	for l.bytes > listBytesMost {
		l.drop(l.order.Back())
	}
}

func (l *lists) drop(at *list.Element) {
	k := l.order.Remove(at).(*keptList)
	delete(l.byKey, k.key)
	l.bytes -= k.bytes
}
