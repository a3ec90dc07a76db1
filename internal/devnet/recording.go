package devnet

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"onsight/ons"
)

// ErrRecording is returned, wrapped, for a file that is not a whole recording of a chain.
var ErrRecording = errors.New("invalid recording")

// Bounds of what ReadRecording takes; a recording of a larger chain is refused.
const (
	maxLine      = 64 << 20
	maxRecording = 4 << 30
)

// Recording is a chain as a real daemon showed it, one JSON object a line (testdata/README.md).
type Recording struct {
	dialect Dialect
	year    uint64
	network ons.Network
	info    object
	version uint64
	forks   map[uint64]json.RawMessage
	blocks  []lineBlock
	txs     map[ons.Txid]*transaction
	names   []lineName
	nodes   []serviceNode
}

// line is any line of a recording.
type line struct {
	Kind     string          `json:"kind"`
	Height   *uint64         `json:"height"`
	Header   object          `json:"header"`
	Block    object          `json:"block"`
	Version  json.RawMessage `json:"version"`
	Result   json.RawMessage `json:"result"`
	Hash     string          `json:"hash"`
	Raw      object          `json:"raw"`
	Decoded  object          `json:"decoded"`
	ExtraRaw string          `json:"tx_extra_raw"`
	NameHash string          `json:"name_hash"`
	Type     uint8           `json:"type"`
	Owners   json.RawMessage `json:"owners"`
}

type lineBlock struct {
	hash, prev ons.Txid
	time       uint64
	txs        []ons.Txid
	recorded   *recordedBlock
}

type lineName struct {
	key   ons.Key
	entry recordedName
}

// recordedName is a record as ons_names_to_owners showed it.
type recordedName struct {
	Owner   string  `json:"owner"`
	Backup  string  `json:"backup_owner"`
	Value   string  `json:"encrypted_value"`
	Updated uint64  `json:"update_height"`
	Expires *uint64 `json:"expiration_height"`
	Txid    string  `json:"txid"`
}

// OpenRecording reads a recording from a file, gzipped or not. The file is closed again.
func OpenRecording(path string) (*Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	defer f.Close()
	r, err := ReadRecording(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// ReadRecording reads a recording, gzipped or not, of either dialect; which one is told by its content. A block that names a
// transaction the input does not hold is refused with its height and the hash, a malformed line with its number: ErrRecording.
func ReadRecording(r io.Reader) (*Recording, error) {
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRecording, err)
		}
		in = bufio.NewReader(z)
	}
	rec := &Recording{forks: map[uint64]json.RawMessage{}, txs: map[ons.Txid]*transaction{}}
	s := bufio.NewScanner(io.LimitReader(in, maxRecording))
	s.Buffer(nil, maxLine)
	n := 0
	for s.Scan() {
		n++
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		if err := rec.line(s.Bytes()); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrRecording, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrRecording, n+1, err)
	}
	if err := rec.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecording, err)
	}
	return rec, nil
}

func (r *Recording) line(b []byte) error {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return err
	}
	switch l.Kind {
	case "info":
		return r.lineInfo(l)
	case "forks":
		version, err := parseUint(l.Version)
		if err != nil {
			return fmt.Errorf("forks: version: %w", err)
		}
		if len(l.Result) > 0 && !bytes.Equal(l.Result, []byte("null")) {
			r.forks[version] = slices.Clone(l.Result)
		}
	case "block":
		return r.lineBlock(l)
	case "tx":
		t, err := recordedTransaction(l)
		if err != nil {
			return fmt.Errorf("tx %q: %w", l.Hash, err)
		}
		if r.txs[t.hash] != nil {
			return fmt.Errorf("tx %v: a second time", t.hash)
		}
		r.txs[t.hash] = t
	case "service_nodes":
		var nodes struct {
			States []object `json:"service_node_states"`
		}
		if err := json.Unmarshal(l.Result, &nodes); err != nil {
			return fmt.Errorf("service_nodes: %w", err)
		}
		for _, o := range nodes.States {
			r.nodes = append(r.nodes, serviceNode{o})
		}
	case "names":
		return r.lineName(l)
	case "":
		return errors.New("no kind")
	}
	return nil // kinds to come are passed over
}

func (r *Recording) lineInfo(l line) error {
	if err := json.Unmarshal(l.Result, &r.info); err != nil {
		return fmt.Errorf("info: %w", err)
	}
	if r.info == nil {
		return errors.New("info: no result")
	}
	r.network = ons.Network(r.info.string("nettype"))
	var v struct{ Version uint64 }
	_ = unmarshal(l.Version, &v) // only 11.x recordings have it, and not all must
	r.version = v.Version
	return nil
}

func (r *Recording) lineBlock(l line) error {
	height := uint64(len(r.blocks))
	if l.Height == nil || *l.Height != height || l.Header.uint("height") != height {
		return fmt.Errorf("block: want height %d", height)
	}
	b := lineBlock{time: l.Header.uint("timestamp")}
	for _, h := range []struct {
		key string
		to  *ons.Txid
	}{{"hash", &b.hash}, {"prev_hash", &b.prev}} {
		var err error
		if *h.to, err = parseHash(l.Header.string(h.key)); err != nil {
			return fmt.Errorf("block %d: %s: %w", height, h.key, err)
		}
	}
	if height > 0 && b.prev != r.blocks[height-1].hash {
		return fmt.Errorf("block %d: prev_hash is not the block before", height)
	}
	var hashes []string
	raw := l.Header["tx_hashes"]
	if raw == nil {
		raw = l.Block["tx_hashes"]
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &hashes); err != nil {
			return fmt.Errorf("block %d: tx_hashes: %w", height, err)
		}
	}
	if n := l.Header.uint("num_txes"); l.Header["num_txes"] != nil && n != uint64(len(hashes)) {
		return fmt.Errorf("block %d: %d tx_hashes, num_txes %d", height, len(hashes), n)
	}
	for _, s := range hashes {
		h, err := parseHash(s)
		if err != nil {
			return fmt.Errorf("block %d: tx_hashes: %w", height, err)
		}
		b.txs = append(b.txs, h)
	}
	b.recorded = newRecordedBlock(l.Header, l.Block)
	r.blocks = append(r.blocks, b)
	return nil
}

func newRecordedBlock(header, result object) *recordedBlock {
	keys := make([]string, 0, len(header))
	for k := range header {
		if k != "tx_hashes" {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	var k recordedBlock
	b := []byte{'{'}
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendJSON(b, key), ':'), compact(header[key])...)
		if key == "depth" {
			k.before = b[:len(b)-len(compact(header[key]))]
			b = nil
		}
	}
	k.after = b
	k.block = result.clone()
	delete(k.block, "block_header")
	k.outs = b2u(header.uint("coinbase_payouts") > 0) // at least, where only the header is known
	if t := coinbaseOf(header, result); t != nil {
		k.outs = uint64(t.outs)
		if header.string("miner_tx_hash") != "" {
			k.coinbase = t
		}
	}
	return &k
}

func (r *Recording) lineName(l line) error {
	hash, err := ons.ParseHash(l.NameHash)
	if err != nil {
		return fmt.Errorf("names: name_hash: %w", err)
	}
	if l.Type > 2 {
		return fmt.Errorf("names: type %d", l.Type)
	}
	var owners struct {
		Entries []recordedName `json:"entries"` // 10.x
		Result  []recordedName `json:"result"`  // 11.x
	}
	if len(l.Owners) == 0 || string(l.Owners) == "null" {
		return nil
	}
	if err := json.Unmarshal(l.Owners, &owners); err != nil {
		return fmt.Errorf("names: owners: %w", err)
	}
	for _, e := range append(owners.Entries, owners.Result...) {
		r.names = append(r.names, lineName{ons.Key{Type: ons.Type(l.Type), Hash: hash}, e})
	}
	return nil
}

// recordedTransaction takes a transaction from its line. What a later oxend writes and we cannot parse is served all the same.
func recordedTransaction(l line) (*transaction, error) {
	hash, err := parseHash(l.Hash)
	if err != nil {
		return nil, err
	}
	if l.Raw == nil {
		return nil, errors.New("no raw")
	}
	var raw []byte
	for _, key := range [...]string{"as_hex", "data", "pruned_as_hex", "pruned"} {
		if l.Raw[key] == nil {
			continue
		}
		if raw, err = hex.DecodeString(l.Raw.string(key)); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		break
	}
	if raw == nil {
		return nil, errors.New("raw has no hex")
	}
	t := newTransaction(hash, raw)
	t.recorded = &recordedTx{raw: l.Raw, decoded: l.Decoded, extraRaw: l.ExtraRaw}
	var extra struct{ ONS struct{ Blocks uint64 } }
	if unmarshal(l.Decoded["extra"], &extra) == nil {
		t.recorded.blocks = extra.ONS.Blocks
	}
	return t, nil
}

// check refuses what does not hang together, and infers dialect and year.
func (r *Recording) check() error {
	if r.info == nil {
		return errors.New("no info line")
	}
	if len(r.blocks) == 0 {
		return errors.New("no blocks")
	}
	if n := r.info.uint("height"); n > uint64(len(r.blocks)) {
		return fmt.Errorf("%d blocks, info says %d", len(r.blocks), n)
	}
	seen := map[ons.Txid]uint64{}
	for height, b := range r.blocks {
		for _, h := range b.txs {
			if r.txs[h] == nil {
				return fmt.Errorf("block %d names transaction %v, which is not in the recording", height, h)
			}
			if other, ok := seen[h]; ok {
				return fmt.Errorf("block %d names transaction %v, block %d too", height, h, other)
			}
			seen[h] = uint64(height)
		}
	}
	r.dialect = Dialect10
	if _, ok := r.info["untrusted"]; !ok {
		r.dialect = Dialect11
	}
	if r.version == 0 {
		r.version = 262144 + uint64(r.dialect-Dialect10)
	}
	r.year = r.inferYear()
	return nil
}

// inferYear finds the length of a lokinet year, which a private network can set: on 10.x from what the daemon says of a purchase, on 11.x, which says nothing, from a
// record's expiration and the purchase and renewals it comes from. 0 if no name tells.
func (r *Recording) inferYear() uint64 {
	if r.network != ons.Fakechain {
		return 0 // the network's constants hold
	}
	for _, t := range r.txs {
		if t.op != nil && t.recorded.blocks > 0 && years(t.op.Length) > 0 {
			return t.recorded.blocks / years(t.op.Length)
		}
	}
	for _, n := range r.names {
		if n.entry.Expires == nil {
			continue
		}
		var bought, sum uint64
		for height, b := range r.blocks {
			for _, h := range b.txs {
				op := r.txs[h].op
				if op == nil || op.Type != n.key.Type || op.Hash != n.key.Hash {
					continue
				}
				switch op.Kind {
				case ons.Buy:
					bought, sum = uint64(height), years(op.Length)
				case ons.Renew:
					sum += years(op.Length)
				}
			}
		}
		if e := *n.entry.Expires; sum > 0 && e > bought && (e-bought)%sum == 0 {
			return (e - bought) / sum
		}
	}
	return 0
}

// Dialect returns the release line of the daemon that was recorded.
func (r *Recording) Dialect() Dialect { return r.dialect }

// Year returns the length in blocks of one lokinet "year" of a private network (fakechain) as far as it can be inferred from the
// recording, else 0. Other networks have constants.
func (r *Recording) Year() uint64 { return r.year }

// Info returns the recorded get_info result.
func (r *Recording) Info() json.RawMessage { return appendJSON(nil, r.info) }

// Chain returns a new chain with all that was recorded. Chains of one recording do not share what can change.
func (r *Recording) Chain() *Chain {
	c := newChain(r.dialect)
	c.network, c.year, c.version = r.network, r.year, r.version
	c.recordedInfo, c.recordedForks = r.info, r.forks
	c.forks = r.forkTable()
	c.nodes = r.nodes
	byHeight := map[uint64][]lineName{}
	for _, n := range r.names {
		byHeight[n.entry.Updated] = append(byHeight[n.entry.Updated], n)
	}
	for height, l := range r.blocks {
		b := block{hash: l.hash, time: l.time, recorded: l.recorded}
		for _, h := range l.txs {
			b.txs = append(b.txs, r.txs[h])
		}
		c.push(b)
		for _, n := range byHeight[uint64(height)] {
			c.names.record(n, c.network)
		}
	}
	c.pristine = r.info.uint("height") == uint64(len(c.blocks))
	return c
}

// record puts what a daemon showed of a name on the row it belongs to. Where its transaction could not be parsed there is none: then a
// row is made of what the daemon showed.
func (r *registry) record(n lineName, network ons.Network) {
	head := r.head(n.key)
	if head == nil || head.Txid.String() != n.entry.Txid {
		r.addRecorded(n, network)
		head = r.head(n.key)
	}
	head.recorded = &n.entry
	if e := n.entry.Expires; e != nil && head.Expires != *e {
		head.Expires = *e
		r.expire(n.key, *e)
	}
}

func (r *registry) addRecorded(n lineName, network ons.Network) {
	e := n.entry
	next := row{before: -1, Record: ons.Record{Type: n.key.Type, Hash: n.key.Hash, Updated: e.Updated, Registered: e.Updated}}
	before := r.head(n.key)
	if before != nil {
		next.before, next.Registered, next.Prev = r.heads[n.key], before.Registered, before.Txid
	}
	if before == nil || !alive(before.Expires, e.Updated) {
		r.now[n.key.Type]++
		r.live[e.Updated+1] = r.now
	}
	// A recording shows these as a daemon prints them; what does not parse stays empty here and is served as it is.
	next.Owner, _ = ons.ParseOwner(e.Owner, network)
	next.Backup, _ = ons.ParseOwner(e.Backup, network)
	next.Txid, _ = parseHash(e.Txid)
	if value, err := hex.DecodeString(e.Value); err == nil {
		next.Sealed = splitValue(value)
	}
	r.add(n.key, next)
}

// forkTable reads the forks that have heights, in order.
func (r *Recording) forkTable() []Fork {
	var forks []Fork
	for version, raw := range r.forks {
		var f struct {
			Earliest *uint64 `json:"earliest_height"`
		}
		if unmarshal(raw, &f) == nil && f.Earliest != nil && version < 256 {
			forks = append(forks, Fork{uint8(version), *f.Earliest})
		}
	}
	slices.SortFunc(forks, func(a, b Fork) int { return int(a.Version) - int(b.Version) })
	return forks
}

func parseHash(s string) (ons.Txid, error) {
	var h ons.Txid
	if len(s) != 64 {
		return h, errors.New("not 64 hex digits")
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, errors.New("not 64 hex digits")
	}
	return h, nil
}

func parseUint(raw json.RawMessage) (v uint64, err error) {
	err = unmarshal(raw, &v)
	return v, err
}

func unmarshal(raw json.RawMessage, v any) error {
	if len(raw) == 0 {
		return errors.New("absent")
	}
	return json.Unmarshal(raw, v)
}

func compact(raw json.RawMessage) []byte {
	var w bytes.Buffer
	if json.Compact(&w, raw) != nil {
		return raw
	}
	return w.Bytes()
}
