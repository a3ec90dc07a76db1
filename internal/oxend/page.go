package oxend

// Pages of headers and transactions are most of a sync. The scanner reads them four to five times as fast as
// encoding/json (see the benchmarks), which remains the judge of whatever is unusual about a reply.

// scanHeaders reads a reply of get_block_headers_range that has at most most headers.
func scanHeaders(most int) func(body []byte) (*headerPage, error) {
	return func(body []byte) (*headerPage, error) {
		s, p := &scanner{b: body}, &headerPage{}
		var page, seen uint32
		var h wireHeader
		field := func(key []byte) { h.scan(s, key, &seen) }
		err := s.reply(&p.stated, func(key []byte) {
			if string(key) != "headers" {
				s.other(key)
				return
			}
			s.once(&page, 0)
			s.array(func() {
				if !s.room(len(p.Headers), most) {
					return
				}
				if p.Headers == nil {
					p.Headers = make(wireHeaders, 0, min(most, len(body)/600+1)) // about what a header takes
				}
				h, seen = wireHeader{}, 0
				s.object(field)
				p.Headers = append(p.Headers, h)
			})
		})
		return p, err
	}
}

func (h *wireHeader) scan(s *scanner, key []byte, seen *uint32) {
	const u8, u64 = 1<<8 - 1, 1<<64 - 1
	switch string(key) {
	case "height":
		s.once(seen, 0)
		h.Height = s.uint(u64)
	case "hash":
		s.once(seen, 1)
		h.Hash = wireHash(s.hash())
	case "prev_hash":
		s.once(seen, 2)
		h.Prev = wireHash(s.hash())
	case "timestamp":
		s.once(seen, 3)
		h.Timestamp = s.uint(u64)
	case "major_version":
		s.once(seen, 4)
		h.Major = uint8(s.uint(u8))
	case "minor_version":
		s.once(seen, 5)
		h.Minor = uint8(s.uint(u8))
	case "orphan_status":
		s.once(seen, 6)
		h.Orphan = s.boolean()
	case "num_txes":
		s.once(seen, 7)
		h.NumTxes = optional{s.uint(u64), true}
	case "tx_hashes":
		s.once(seen, 8)
		h.TxHashes = s.list(maxHashes)
	default:
		s.other(key)
	}
}

// scanTxs reads a reply of get_transactions that has at most most transactions.
func scanTxs(most int) func(body []byte) (*txPage, error) {
	return func(body []byte) (*txPage, error) {
		s, p := &scanner{b: body}, &txPage{}
		var page, seen uint32
		var t wireTx
		field := func(key []byte) { t.scan(s, key, &seen) }
		err := s.reply(&p.stated, func(key []byte) {
			switch string(key) {
			case "txs":
				s.once(&page, 0)
				s.array(func() {
					if !s.room(len(p.Txs), most) {
						return
					}
					t, seen = wireTx{}, 0
					s.object(field)
					p.Txs = append(p.Txs, t)
				})
			case "missed_tx":
				s.once(&page, 1)
				p.Missed = s.list(most)
			default:
				s.other(key)
			}
		})
		return p, err
	}
}

func (t *wireTx) scan(s *scanner, key []byte, seen *uint32) {
	switch string(key) {
	case "tx_hash":
		s.once(seen, 0)
		t.Hash = wireHash(s.hash())
	case "block_height":
		s.once(seen, 1)
		t.Height = s.uint(1<<64 - 1)
	case "in_pool":
		s.once(seen, 2)
		t.InPool = s.boolean()
	case "type":
		s.once(seen, 3)
		t.Type = optional{s.uint(1<<64 - 1), true}
	case "as_hex":
		s.once(seen, 4)
		t.AsHex = s.hex()
	case "pruned_as_hex":
		s.once(seen, 5)
		t.Pruned10 = s.hex()
	case "data":
		s.once(seen, 6)
		t.Data = s.hex()
	case "pruned":
		s.once(seen, 7)
		t.Pruned11 = s.hex()
	case "tx_extra_raw":
		s.once(seen, 8)
		t.Extra = s.hex()
	default:
		s.other(key)
	}
}
