package onion

import "crypto/ecdh"

// PeelWith is Peel from the client's end of the key: the recordings have no secrets of nodes.
func PeelWith(ephemeral *ecdh.PrivateKey, node *ecdh.PublicKey, p Part) (Layer, error) {
	key, err := ClientKey(p.Encryption, ephemeral, node)
	if err != nil {
		return Layer{}, err
	}
	return open(key, p)
}
