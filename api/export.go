package api

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"onsight/indexer"
)

// exportVersion is the layout of exported files.
const exportVersion = 1

// Export is what a file host needs to answer as a server does about names by range and bundle: plain files. Paths are
// those of the operations, but for ranges, which lie in a folder of their block: what is in it never changes, so that a
// client which began with one block ends with it, and caches may keep it for ever.
//
//	v1/names/at/{Folder}/range/{bits}/{index}     as GET /v1/names/range/{bits}/{index}, for all bits that are offered
//	v1/names/at/{Folder}/history/{bits}/{index}   as …/history
//	v1/names/bundle                               as GET /v1/names/bundle
//	v1/status                                     network and ready as GET /v1/status, and in files: version, folder (at), digest of
//	                                              the bundle, and what GET /v1/names/range says
//
// The status is what makes the rest known: put it into place last.
type Export struct {
	Folder string

	shelf   *shelf
	past    *rack
	asOf    []byte
	state   indexer.State
	bundle  []byte
	digest  string
	scratch []byte
}

// NewExport makes the files of a snapshot, which must have a tip. It encodes all records.
func NewExport(snap Snapshot) (*Export, error) {
	state := snap.State()
	if state.Tip == nil {
		return nil, errors.New("export: the index is empty")
	}
	e := &Export{
		Folder: fmt.Sprintf("%d-%s", state.Tip.Height, hex.EncodeToString(state.Tip.Hash[:8])),
		shelf:  newShelf(nil, snap, state), past: newRack(nil, snap, state, encodeHistories), asOf: appendAsOf(nil, state), state: state,
	}
	b, err := e.shelf.bundle()
	if err != nil {
		return nil, err
	}
	digest := b.Digest()
	e.bundle, e.digest = b.Bytes(), hex.EncodeToString(digest[:])
	return e, nil
}

// Ranges calls put for each range, with its path in the folder and what writes it.
func (e *Export) Ranges(put func(path string, write func(io.Writer) error) error) error {
	for _, kind := range []struct {
		name   string
		rack   *rack
		encode encoder
	}{{"range", e.shelf.rack, encodeNewest}, {"history", e.past, encodeHistories}} {
		for bits := range e.shelf.bits + 1 {
			for number := range 1 << bits {
				err := put(fmt.Sprintf("%s/%d/%x", kind.name, bits, number), func(w io.Writer) error {
					e.scratch = e.scratch[:0]
					return kind.rack.write(w, &e.scratch, e.shelf.snap, momentIn(e.shelf.snap, e.state), kind.encode, bits, number, true, e.asOf)
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Bundle returns the bundle.
func (e *Export) Bundle() []byte { return e.bundle }

// Status returns the status.
func (e *Export) Status() ([]byte, error) {
	type files struct {
		Version   int    `json:"version"`
		At        string `json:"at"`
		Digest    string `json:"digest"`
		Bits      int    `json:"bits"`
		K         int    `json:"k"`
		Records   int    `json:"records"`
		Hashes    int    `json:"hashes"`
		SizeClass int    `json:"size_class"`
	}
	s := e.shelf
	b, err := json.Marshal(struct {
		Network string `json:"network"`
		Ready   bool   `json:"ready"`
		Files   files  `json:"files"`
	}{string(e.state.Network), true, files{exportVersion, e.Folder, e.digest, s.bits, rangeK, s.records, s.hashes, s.sizes[s.bits]}})
	if err != nil {
		return nil, err
	}
	return append(seal(b, e.asOf), '\n'), nil
}
