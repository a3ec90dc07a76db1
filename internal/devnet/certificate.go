package devnet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// newCertificate makes what a storage server makes for itself at its first start (spec C.1). The key is ECDSA P-256, as of 2.11;
// 2.8.0's RSA-2048 would take a second for every few nodes, and clients do not look. A seed node's has the names it is for.
func newCertificate(now time.Time, hosts ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	name := pkix.Name{Country: []string{"AU"}, Organization: []string{"Oxen"}, CommonName: "localhost"}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, Issuer: name,
		// A devnet's clock may be ahead of or behind the clock its clients read.
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, 10_000), DNSNames: hosts,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
