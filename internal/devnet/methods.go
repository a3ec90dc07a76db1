package devnet

import "math"

// aliases are the other names of methods (spec E.4).
var aliases = map[string]string{
	"getinfo": "get_info", "getheight": "get_height", "getblockcount": "get_block_count", "gettransactions": "get_transactions",
	"on_get_block_hash": "get_block_hash", "on_getblockhash": "get_block_hash", "getblock": "get_block",
	"getlastblockheader": "get_last_block_header", "getblockheaderbyhash": "get_block_header_by_hash",
	"getblockheaderbyheight": "get_block_header_by_height", "getblockheadersrange": "get_block_headers_range",
	"get_service_node_key": "get_service_keys",
	"get_n_service_nodes":  "get_service_nodes", "get_all_service_nodes": "get_service_nodes",
	"lns_resolve": "ons_resolve", "lns_names_to_owners": "ons_names_to_owners", "lns_owners_to_names": "ons_owners_to_names",
}

// methods are those this daemon answers, beside nodeMethods. Some admin ones are here to be refused on a public port; on an admin port
// they do nothing.
var methods = map[string]method{
	"get_info":                        {call: getInfo, legacy: true},
	"get_height":                      {call: getHeight, legacy: true},
	"get_block_count":                 {call: getBlockCount},
	"get_version":                     {call: getVersion},
	"hard_fork_info":                  {call: hardForkInfo},
	"get_block_hash":                  {call: getBlockHash},
	"get_last_block_header":           {call: getLastBlockHeader},
	"get_block_header_by_height":      {call: getBlockHeaderByHeight},
	"get_block_header_by_hash":        {call: getBlockHeaderByHash},
	"get_block_headers_range":         {call: getBlockHeadersRange},
	"get_block":                       {call: getBlock},
	"get_transactions":                {call: getTransactions, legacy: true},
	"get_service_nodes":               {call: getServiceNodes},
	"ons_resolve":                     {call: onsResolve},
	"ons_names_to_owners":             {call: onsNamesToOwners},
	"ons_owners_to_names":             {call: onsOwnersToNames},
	"get_service_nodes_state_changes": {call: getStateChanges},
	"get_transaction_pool":            {call: getTransactionPool, legacy: true},
	"get_transaction_pool_hashes":     {call: getTransactionPoolHashes, legacy: true},
	"get_transaction_pool_stats":      {call: getTransactionPoolStats, legacy: true},
	"get_fee_estimate":                {call: getFeeEstimate},
	"get_output_distribution":         {call: getOutputDistribution, only: Dialect10},
	"get_pending_events":              {call: getPendingEvents, only: Dialect11},
	"get_alternative_chains":          {call: getAlternativeChains, admin: true},
	"get_coinbase_tx_sum":             {call: getCoinbaseTxSum, admin: true},
	"get_connections":                 {call: getConnections, admin: true},
	"get_net_stats":                   {call: getNetStats, legacy: true, admin: true},
	"sync_info":                       {call: syncInfo, admin: true},
	"mining_status":                   {call: miningStatus, legacy: true, admin: true},
	"generateblocks":                  {call: generateBlocks, admin: true},
	"get_block_template":              {call: getBlockTemplate, admin: true},
	"pop_blocks":                      {call: popBlocks, legacy: true, admin: true, writes: true},
	"start_mining":                    {call: startMining, legacy: true, admin: true},
	"stop_mining":                     {call: refuse, legacy: true, admin: true},
	"stop_daemon":                     {call: refuse, legacy: true, admin: true},
	"save_bc":                         {call: refuse, legacy: true, admin: true},
}

func refuse(v *view, b []byte, _ params) ([]byte, *rpcError) {
	return append(b, `{"status":"Failed, devnet does not do that"}`...), nil
}

// status appends the end of a result: its status and, on 10.x's older calls, untrusted.
func (v *view) status(b []byte) []byte {
	if v.chain.dialect == Dialect10 {
		return append(b, `"status":"OK","untrusted":false}`...)
	}
	return append(b, `"status":"OK"}`...)
}

func getVersion(v *view, b []byte, _ params) ([]byte, *rpcError) {
	b = append(b[:len(b):len(b)], `{"status":"OK",`...)
	if v.chain.dialect == Dialect10 {
		b = append(b, `"untrusted":false,`...)
	}
	return append(appendUint(b, `"version":`, v.chain.version), '}'), nil
}

func getBlockCount(v *view, b []byte, _ params) ([]byte, *rpcError) {
	return append(appendUint(b, `{"count":`, uint64(len(v.chain.blocks))), `,"status":"OK"}`...), nil
}

func getHeight(v *view, b []byte, _ params) ([]byte, *rpcError) {
	c := v.chain
	n := uint64(len(c.blocks))
	b = appendUint(appendHash(b, `{"hash":"`, c.blocks[n-1].hash), `,"height":`, n)
	if c.dialect == Dialect10 {
		hash, height := c.immutableBlock()
		b = appendUint(append(append(append(b, `,"immutable_hash":"`...), hash...), '"'), `,"immutable_height":`, height)
	}
	return v.status(append(b, ',')), nil
}

// immutableBlock returns the final block the daemon reports, "" and 0 if none.
func (c *Chain) immutableBlock() (string, uint64) {
	height := max(c.immutable, c.finalHeight())
	if height == 0 || height >= uint64(len(c.blocks)) {
		return "", 0
	}
	return c.blocks[height].hash.String(), height
}

// publicDrops are the fields of get_info a public port leaves out.
var publicDrops = [...]string{
	"alt_blocks_count", "outgoing_connections_count", "incoming_connections_count", "white_peerlist_size", "grey_peerlist_size",
	"service_node", "start_time", "last_storage_server_ping", "last_lokinet_ping", "free_space", "height_without_bootstrap",
	"was_bootstrap_ever_used", "bootstrap_daemon_address",
}

func getInfo(v *view, b []byte, _ params) ([]byte, *rpcError) {
	c := v.chain
	var o object
	if c.recordedInfo != nil {
		o = object(c.recordedInfo).clone()
	} else {
		o = c.madeInfo()
		o.set("version", v.fullVersion())
	}
	n := uint64(len(c.blocks))
	if !c.pristine {
		o.set("height", n)
		o.set("top_block_hash", c.blocks[n-1].hash.String())
		o.set("cumulative_difficulty", n)
		o.set("hard_fork", c.fork(n).Version)
		o.set("ons_counts", c.names.counts(n))
		o.set("tx_count", c.txCount)
		o.set("tx_pool_size", len(c.pool))
		hash, height := c.immutableBlock()
		if c.dialect == Dialect10 || height > 0 {
			o.set("immutable_height", height)
			o.set("immutable_block_hash", hash)
		}
		if c.dialect == Dialect10 {
			o.set("height_without_bootstrap", n)
		}
	}
	if c.dialect == Dialect11 && c.fork(n).Version < 16 { // before pulse
		for _, key := range [...]string{"pulse", "pulse_ideal_timestamp", "pulse_target_timestamp"} {
			delete(o, key)
		}
		o.set("difficulty", 1)
	}
	v.ownInfo(o)
	version := o.string("version")
	if v.public {
		for _, key := range publicDrops {
			delete(o, key)
		}
		version = version[:min(2, len(version))]
		o.set("version", version)
		const giga = 1_000_000_000
		o.set("database_size", (o.uint("database_size")+giga-1)/giga*giga)
		o.set("status_line", statusLine(version, n))
	} else if !c.pristine {
		o.set("status_line", statusLine(shortVersion(version), n)+v.ownStatus())
	}
	return appendJSON(b, o), nil
}

func statusLine(version string, height uint64) string {
	return string(appendUint(append([]byte("v"), version...), "; Height: ", height))
}

// shortVersion is the version without what follows its first dash.
func shortVersion(v string) string {
	for i := range v {
		if v[i] == '-' {
			return v[:i]
		}
	}
	return v
}

// madeInfo is a generated chain's get_info but for what depends on its blocks.
func (c *Chain) madeInfo() object {
	fields := map[string]any{
		"alt_blocks_count": 0, "block_size_limit": 600000, "block_size_median": 300000, "database_size": 921600,
		"free_space": 70000000000, "grey_peerlist_size": 0, "incoming_connections_count": 0, "mainnet": c.network == "mainnet",
		"nettype": c.network, "outgoing_connections_count": 0, "pulse_ideal_timestamp": 0, "pulse_target_timestamp": 0,
		"service_node": false, "start_time": c.blocks[0].time, "status": "OK", "target": 120, "target_height": 0, "white_peerlist_size": 0,
	}
	if c.dialect == Dialect10 {
		fields["block_weight_limit"], fields["block_weight_median"] = 600000, 300000
		fields["testnet"], fields["devnet"] = c.network == "testnet", c.network == "devnet"
		fields["difficulty"], fields["offline"], fields["untrusted"], fields["was_bootstrap_ever_used"] = 1, false, false, false
		fields["last_lokinet_ping"], fields["last_storage_server_ping"] = 0, 0
	} else {
		fields["l2_height"], fields["max_contributors"], fields["min_operator_contribution"] = 0, 10, 25000000000
		fields["pulse"], fields["staking_requirement"] = true, 100000000000
	}
	o := object{}
	for key, v := range fields {
		o.set(key, v)
	}
	return o
}

func hardForkInfo(v *view, b []byte, p params) ([]byte, *rpcError) {
	c := v.chain
	version, byVersion, fault := p.uint("version", 255)
	if fault != nil {
		return b, fault
	}
	height, byHeight, fault := p.uint("height", math.MaxUint64)
	if fault != nil {
		return b, fault
	}
	if byHeight && byVersion && c.dialect == Dialect11 {
		return b, badParams("Error: at most one of 'height'%d/%d and 'version' may be specified", height, version)
	}
	if !byVersion || version == 0 {
		if !byHeight {
			height = uint64(len(c.blocks))
		}
		version = uint64(c.fork(height).Version)
	}
	if raw := c.recordedForks[version]; raw != nil {
		return append(b, compact(raw)...), nil
	}
	o := map[string]any{"version": version, "enabled": uint64(c.fork(uint64(len(c.blocks))).Version) >= version, "status": "OK"}
	last := "last_height"
	if c.dialect == Dialect10 {
		o["revision"], o["untrusted"] = 0, false
	} else {
		last = "latest_height"
	}
	for i, f := range c.forks {
		if uint64(f.Version) != version {
			continue
		}
		o["earliest_height"] = f.Height
		if i+1 < len(c.forks) {
			o[last] = c.forks[i+1].Height - 1
		}
	}
	return appendJSON(b, o), nil
}
