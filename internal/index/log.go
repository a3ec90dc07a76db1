package index

import "slices"

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
)

// log is an append-only list whose versions share their items. Whoever appends must hold the newest version: it writes
// into the room behind it, where no older version looks.
type log[T any] struct {
	chunks []*[chunkSize]T
	n      int
}

func (l *log[T]) at(i uint32) *T { return &l.chunks[i>>chunkBits][i&(chunkSize-1)] }

// cut returns the version with the first n items. The chunk it ends in is copied: older versions go on reading theirs.
func (l log[T]) cut(n int) log[T] {
	if n == l.n {
		return l
	}
	chunks := slices.Clone(l.chunks[:(n+chunkSize-1)>>chunkBits])
	if rest := n & (chunkSize - 1); rest > 0 {
		last := new([chunkSize]T)
		copy(last[:rest], chunks[len(chunks)-1][:rest])
		chunks[len(chunks)-1] = last
	}
	return log[T]{chunks, n}
}

// append returns the version with items behind it. It keeps the memory of items where whole chunks fit in.
func (l log[T]) append(items []T) log[T] {
	l.chunks = slices.Clip(l.chunks) // older versions have the same array
	for len(items) > 0 {
		used := l.n & (chunkSize - 1)
		switch {
		case used == 0 && len(items) >= chunkSize:
			l.chunks = append(l.chunks, (*[chunkSize]T)(items))
		case used == 0:
			l.chunks = append(l.chunks, new([chunkSize]T))
			fallthrough
		default:
			copy(l.chunks[len(l.chunks)-1][used:], items)
		}
		k := min(chunkSize-used, len(items))
		l.n, items = l.n+k, items[k:]
	}
	return l
}
