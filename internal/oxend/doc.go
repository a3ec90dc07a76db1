// Package oxend is a client of the JSON-RPC interface of oxend, the Oxen daemon, and the only package that knows its
// wire. It speaks both dialects, 10.x (seen on 10.6.0) and 11.x (seen on 11.0.6), tells them apart by asking, and
// gives one set of shapes out: [Info], [Header], [Tx], [NameRecord], [ServiceNode]. [Client] talks to one daemon,
// [Pool] chooses among several; both are an [ons.Source].
//
// # The wire
//
// One JSON object is posted to /json_rpc per HTTP exchange, one comes back:
//
//	→ {"jsonrpc":"2.0","id":"0","method":"get_info","params":{…}}
//	← {"jsonrpc":"2.0","id":…,"result":…}                            HTTP 200
//	← {"jsonrpc":"2.0","id":…,"error":{"code":-1,"message":"…"}}     HTTP 200 as well
//
// The id of an error is often not ours, so ids are not matched. A result with a status other than "OK" is a failure.
// Empty arrays are omitted. Integers use the whole of uint64.
//
// Two requests kill an 11.x daemon: an array as the body, and ons_names_to_owners for a name that is not live. The
// first cannot be written here (encode makes one object, always); the second is sent only after ons_resolve
// succeeded, for one name and one type, and never repeated.
//
// # What can be relied on
//
// Every method checks what it returns: number, order and linkage of headers, presence and identity of every
// transaction. What was not checked is an error. A reply is limited in size and time, and an
// array in it is not read beyond what was asked for or can be; redirects are refused. Input
// never panics. Error texts name the daemon (without credentials) and the method, never a name hash or an owner.
//
// # Sources
//
// oxen-core 10.6.0 and branch dev of 2024-10-24 (11.0.6), src/rpc/core_rpc_server.cpp and
// src/rpc/core_rpc_server_commands_defs.h, as written down in spec chain.md sections D, E and G; what live daemons
// were seen to do, observed.md and observed-11.md, wins over that and is in testdata.
package oxend
