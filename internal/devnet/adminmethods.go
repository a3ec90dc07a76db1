package devnet

import (
	"math"

	"onsight/ons"
)

// Methods about the daemon itself: its peers, its miner, its chain by hand. It has no peers and mines only when told to by its program.

func getAlternativeChains(v *view, b []byte, _ params) ([]byte, *rpcError) {
	return v.withList(b, "chains"), nil // they are not kept (observed.md)
}

func getConnections(v *view, b []byte, _ params) ([]byte, *rpcError) {
	return v.withList(b, "connections"), nil
}

// withList appends a result with an empty list, which 10.x leaves out, and no untrusted.
func (v *view) withList(b []byte, key string) []byte {
	b = append(b, '{')
	if v.chain.dialect == Dialect11 {
		b = append(append(append(b, '"'), key...), `":[],`...)
	}
	return append(b, `"status":"OK"}`...)
}

func syncInfo(v *view, b []byte, _ params) ([]byte, *rpcError) {
	b = append(appendUint(b, `{"height":`, uint64(len(v.chain.blocks))), `,"overview":"[]",`...)
	if v.chain.dialect == Dialect11 {
		return append(b, `"peers":{},"status":"OK"}`...), nil
	}
	return append(b, `"next_needed_pruning_seed":0,"status":"OK","target_height":0}`...), nil
}

func getNetStats(v *view, b []byte, _ params) ([]byte, *rpcError) {
	b = appendUint(b, `{"start_time":`, v.chain.blocks[0].time)
	return v.status(append(b, `,"total_bytes_in":0,"total_bytes_out":0,"total_packets_in":0,"total_packets_out":0,`...)), nil
}

// getFeeEstimate answers what both recorded daemons did: the smallest fees there are.
func getFeeEstimate(v *view, b []byte, _ params) ([]byte, *rpcError) {
	return v.status(append(b, `{"blink_fee_fixed":0,"blink_fee_per_byte":366,"blink_fee_per_output":15000000,"fee_per_byte":122,`+
		`"fee_per_output":5000000,"quantization_mask":10,`...)), nil
}

func getPendingEvents(_ *view, b []byte, _ params) ([]byte, *rpcError) {
	return append(b, `{"exits":[],"registrations":[],"status":"OK","unlocks":[]}`...), nil
}

func miningStatus(v *view, b []byte, _ params) ([]byte, *rpcError) {
	return v.status(append(b, `{"active":false,"block_target":120,"difficulty":1,"pow_algorithm":"RandomX (OXEN variant)",`...)), nil
}

// startMining refuses as a daemon does that cannot mine: for want of an address, or because it is not synced.
func startMining(v *view, b []byte, p params) ([]byte, *rpcError) {
	address, _, fault := p.string("miner_address")
	if fault != nil {
		return b, fault
	}
	if o, err := ons.ParseOwner(address, v.chain.network); err != nil || o.Kind != ons.OwnerWallet {
		return append(b, `{"status":"Failed, invalid address"}`...), nil
	}
	return append(b, `{"status":"BUSY"}`...), nil
}

func generateBlocks(_ *view, b []byte, _ params) ([]byte, *rpcError) {
	return append(b, `{"height":0,"status":"BUSY"}`...), nil
}

func getBlockTemplate(_ *view, b []byte, _ params) ([]byte, *rpcError) {
	return b, errorf(-9, "Core is busy")
}

// popBlocks is the one method that changes the chain.
func popBlocks(v *view, b []byte, p params) ([]byte, *rpcError) {
	n, _, fault := p.uint("nblocks", math.MaxInt32)
	if fault != nil {
		return b, fault
	}
	v.chain.popBlocks(int(n))
	return append(appendUint(b, `{"height":`, uint64(len(v.chain.blocks))), `,"status":"OK"}`...), nil
}
