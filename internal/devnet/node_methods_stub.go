package devnet

// nodeMethods are the methods about service nodes.
var nodeMethods = map[string]method{}
