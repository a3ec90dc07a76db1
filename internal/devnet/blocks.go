package devnet

import (
	"crypto/sha256"
	"math"
)

func (c *Chain) tooHigh(height uint64) *rpcError {
	return errorf(-2, "Requested block height: %d greater than current top block height: %d", height, len(c.blocks)-1)
}

func getBlockHash(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	if c.dialect == Dialect11 {
		return getBlockHash11(c, b, p)
	}
	if p.absent {
		return b, errorf(-32602, "Invalid params")
	}
	heights, _, _ := p.uints("height")
	if len(heights) != 1 {
		return b, errorf(-1, "Wrong parameters, expected height")
	}
	if heights[0] >= uint64(len(c.blocks)) {
		return b, c.tooHigh(heights[0])
	}
	return appendHash(b, `"`, c.blocks[heights[0]].hash), nil
}

func getBlockHash11(c *Chain, b []byte, p params) ([]byte, *rpcError) {
	heights, _, fault := p.uints("heights")
	if fault != nil {
		return b, fault
	}
	if len(heights) > 1000 {
		return b, badParams("Error: too many block heights requested at once")
	}
	o := object{}
	for _, h := range heights {
		if h >= uint64(len(c.blocks)) {
			return b, errorf(-2, "Requested block height %d greater than current top block height %d", h, len(c.blocks)-1)
		}
		o.set(string(appendUint(nil, "", h)), c.blocks[h].hash.String())
	}
	o.set("height", len(c.blocks))
	o.set("status", "OK")
	return appendJSON(b, o), nil
}

func getLastBlockHeader(v *view, b []byte, p params) ([]byte, *rpcError) {
	hashes, fault := p.bool("get_tx_hashes")
	if fault != nil {
		return b, fault
	}
	pow, fault := v.powHashes(p)
	if fault != nil {
		return b, fault
	}
	b = v.header(append(b, `{"block_header":`...), uint64(len(v.chain.blocks)-1), hashes, pow)
	return v.status(append(b, ',')), nil
}

// powHashes tells whether headers are to have a pow_hash: if asked for, and not in public.
func (v *view) powHashes(p params) (bool, *rpcError) {
	pow, fault := p.bool("fill_pow_hash")
	return pow && !v.public, fault
}

// header appends a block's header. Its pow_hash is a hash of the block's, not of its work: there was none.
func (v *view) header(b []byte, height uint64, hashes, pow bool) []byte {
	b = v.chain.appendHeader(b, height, hashes)
	if pow {
		b = append(appendHash(b[:len(b)-1], `,"pow_hash":"`, sha256.Sum256(v.chain.blocks[height].hash[:])), '}')
	}
	return b
}

func getBlockHeaderByHeight(v *view, b []byte, p params) ([]byte, *rpcError) {
	height, one, fault := p.uint("height", math.MaxUint64)
	if fault != nil {
		return b, fault
	}
	heights, _, fault := p.uints("heights")
	if fault != nil {
		return b, fault
	}
	var single []uint64
	if one {
		single = []uint64{height}
	}
	return v.headers(b, p, single, heights)
}

// headers appends a result with one header, or several, or both.
func (v *view) headers(b []byte, p params, one, many []uint64) ([]byte, *rpcError) {
	c := v.chain
	hashes, fault := p.bool("get_tx_hashes")
	if fault != nil {
		return b, fault
	}
	pow, fault := v.powHashes(p)
	if fault != nil {
		return b, fault
	}
	b = append(b, '{')
	for _, h := range one {
		if h >= uint64(len(c.blocks)) {
			return b, c.tooHigh(h)
		}
		b = append(v.header(append(b, `"block_header":`...), h, hashes, pow), ',')
	}
	for i, h := range many {
		if h >= uint64(len(c.blocks)) {
			return b, c.tooHigh(h)
		}
		if i == 0 {
			b = append(b, `"block_headers":[`...)
		} else {
			b = append(b, ',')
		}
		b = v.header(b, h, hashes, pow)
	}
	if len(many) > 0 {
		b = append(b, "],"...)
	}
	return v.status(b), nil
}

func getBlockHeaderByHash(v *view, b []byte, p params) ([]byte, *rpcError) {
	hash, _, fault := p.string("hash")
	if fault != nil {
		return b, fault
	}
	hashes, _, fault := p.strings("hashes")
	if fault != nil {
		return b, fault
	}
	var one, many []uint64
	if hash != "" {
		hashes = append([]string{hash}, hashes...)
	}
	for i, s := range hashes {
		height, fault := v.chain.byHash(s)
		if fault != nil {
			return b, fault
		}
		if i == 0 && hash != "" {
			one = []uint64{height}
		} else {
			many = append(many, height)
		}
	}
	return v.headers(b, p, one, many)
}

func (c *Chain) byHash(s string) (uint64, *rpcError) {
	h, err := parseHash(s)
	if err != nil {
		return 0, errorf(-1, "Failed to parse hex representation of block hash. Hex = %s.", s)
	}
	height, ok := c.heights[h]
	if !ok {
		return 0, errorf(-5, "Internal error: can't get block by hash. Hash = %s.", s)
	}
	return uint64(height), nil
}

func getBlockHeadersRange(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	r, fault := p.heights()
	if fault != nil {
		return b, fault
	}
	start, end := r.start, r.end
	hashes, fault := p.bool("get_tx_hashes")
	if fault != nil {
		return b, fault
	}
	pow, fault := v.powHashes(p)
	if fault != nil {
		return b, fault
	}
	if start > end || end >= uint64(len(c.blocks)) {
		return b, errorf(-2, "Invalid start/end heights.")
	}
	b = append(b, `{"headers":[`...)
	for h := start; h <= end; h++ {
		if h > start {
			b = append(b, ',')
		}
		b = v.header(b, h, hashes, pow)
	}
	return v.status(append(b, "],"...)), nil
}

func getBlock(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	hash, _, fault := p.string("hash")
	if fault != nil {
		return b, fault
	}
	height, _, fault := p.uint("height", math.MaxUint64)
	if fault != nil {
		return b, fault
	}
	if hash != "" {
		if height, fault = c.byHash(hash); fault != nil {
			return b, fault
		}
	}
	if height >= uint64(len(c.blocks)) {
		return b, c.tooHigh(height)
	}
	return c.appendBlockResult(b, height), nil
}

// maxTransactions bounds one get_transactions; oxend has no limit.
const maxTransactions = 100_000

func getTransactions(v *view, b []byte, p params) ([]byte, *rpcError) {
	if v.chain.dialect == Dialect11 {
		return getTransactions11(v, b, p, false)
	}
	c := v.chain
	list, _, _ := p.strings("txs_hashes")
	var f txFlags
	for key, to := range map[string]*bool{
		"tx_extra": &f.extra, "decode_as_json": &f.json, "prune": &f.prune, "split": &f.split, "stake_info": &f.stake,
	} {
		*to, _ = p.bool(key)
	}
	start := len(b)
	b = append(b, '{')
	places, missed, ok := c.places(list)
	if !ok {
		return append(b[:start], `{"status":"Failed to parse hex representation of transaction hash","untrusted":false}`...), nil
	}
	if len(missed) > 0 {
		b = append(appendJSON(append(b, `"missed_tx":`...), missed), ',')
	}
	// The trap of observed.md: what needs the decoded transaction stops at the first one that has no RingCT part.
	status := "OK"
	trapped := (f.extra || f.stake) && !f.json
	for i, q := range places {
		if trapped && (f.prune || f.split || !q.tx.rct()) {
			status, places = "Failed to parse and validate base tx data", places[:i+1]
			break
		}
	}
	b = append(append(append(b, `"status":"`...), status...), '"')
	for i, q := range places {
		if i == 0 {
			b = append(b, `,"txs":[`...)
		} else {
			b = append(b, ',')
		}
		b = c.appendEntry10(b, q, f, status != "OK" && i == len(places)-1)
	}
	if len(places) > 0 {
		b = append(b, ']')
	}
	return append(b, `,"untrusted":false}`...), nil
}

// places finds transactions in the order they were asked for; ok is false if a hash is malformed.
func (c *Chain) places(list []string) (found []place, missed []string, ok bool) {
	if len(list) > maxTransactions {
		return nil, nil, false
	}
	for _, s := range list {
		h, err := parseHash(s)
		if err != nil {
			return nil, nil, false
		}
		if p, ok := c.find(h); ok {
			found = append(found, p)
		} else {
			missed = append(missed, s)
		}
	}
	return found, missed, true
}

// getTransactions11 answers get_transactions, and get_transaction_pool, which is the same with memory_pool set.
func getTransactions11(v *view, b []byte, p params, pool bool) ([]byte, *rpcError) {
	c := v.chain
	key := "tx_hashes"
	if _, ok := p.given("txs_hashes"); ok {
		key = "txs_hashes"
	}
	list, given, fault := p.strings(key)
	if fault != nil {
		return b, fault
	}
	places, missed, ok := c.places(list)
	if !ok {
		return b, badParams("Invalid values in '%s'", key)
	}
	var f txFlags
	var memory bool
	for _, flag := range [...]struct {
		key string
		to  *bool
	}{
		{"data", &f.hex}, {"memory_pool", &memory}, {"prune", &f.prune}, {"split", &f.split}, {"tx_extra", &f.extra},
		{"tx_extra_raw", &f.extraRaw},
	} {
		if *flag.to, fault = p.bool(flag.key); fault != nil {
			return b, fault
		}
	}
	if memory = memory || pool; memory && given {
		return b, badParams("Error: 'memory_pool' and 'tx_hashes' are mutually exclusive")
	}
	b = append(b, '{')
	if memory {
		b = append(b, `"mempool_key_images":{`...)
		first := true
		for _, w := range c.sortedPool() {
			places = append(places, w.place())
			for _, in := range w.tx.vin {
				if !first {
					b = append(b, ',')
				}
				first = false
				b = append(appendHash(append(appendHex(b, `"`, in.image), ":["...), `"`, w.tx.hash), ']')
			}
		}
		b = append(b, "},"...)
	}
	if len(missed) > 0 {
		b = append(appendJSON(append(b, `"missed_tx":`...), missed), ',')
	}
	b = append(b, `"status":"OK","txs":[`...)
	for i, q := range places {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.appendEntry11(b, q, f)
	}
	return append(b, "]}"...), nil
}
