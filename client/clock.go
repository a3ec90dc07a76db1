package client

import (
	"slices"
	"sync"
	"time"
)

// clock learns how far the network's clock is ahead of the machine's. No node alone moves it: what counts is the median of what
// different nodes said last.
type clock struct {
	mu      sync.Mutex // guards what follows
	samples []sample   // the oldest first, one of a node
}

type sample struct {
	node   [32]byte
	offset time.Duration
}

const (
	maxSamples = 9
	// minSamples is how many nodes have to be heard before the machine's clock is corrected: of two, one may lie.
	minSamples = 3
)

// learn notes a node's clock: ahead of ours by offset.
func (k *clock) learn(node [32]byte, offset time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.samples = slices.DeleteFunc(k.samples, func(s sample) bool { return s.node == node })
	if len(k.samples) == maxSamples {
		k.samples = slices.Delete(k.samples, 0, 1)
	}
	k.samples = append(k.samples, sample{node, offset})
}

// known reports whether enough nodes were heard.
func (k *clock) known() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.samples) >= minSamples
}

// count returns how many nodes were heard.
func (k *clock) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.samples)
}

// offset returns how far the network is ahead; 0 as long as that is not known.
func (k *clock) offset() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.samples) < minSamples {
		return 0
	}
	var all []time.Duration
	for _, s := range k.samples {
		all = append(all, s.offset)
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}
