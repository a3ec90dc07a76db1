package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"onsight/client/store"
	"onsight/internal/snode"
)

// SeedNode is a server that gives lists of service nodes to whoever knows none.
type SeedNode struct {
	URL         string // of its root, such as https://seed1.getsession.org:4443/: json_rpc is appended
	SPKI        string // SHA-256 of its certificate's SubjectPublicKeyInfo, base64; "": not compared
	Certificate string // SHA-256 of its certificate, hex; "": not compared. With neither, https is verified as usual
}

// mainnetSeeds and what their certificates are (messaging.md B.1). They are self-signed and valid to 2033.
var mainnetSeeds = []SeedNode{
	{"https://seed1.getsession.org:4443/", "mlYTXvkmIEYcpswANTpnBwlz9Cswi0py/RQKkbdQOZQ=", "36ea0b253537988551ee856e4fd20d55011e9c8b27eaa2f34b8f32a0bdf04f2d"},
	{"https://seed2.getsession.org:4443/", "ZuUxe4wopBR83Yy5fePPNX0c00BnkQCu/49oapFpB0k=", "c5908dd4139acd96aedd1e45576597650809c8a5ea02af556d4853d45396e0e7"},
	{"https://seed3.getsession.org:4443/", "4xe+8k1NjxerVTjUsWlZJNKt3PA7Y31pUls2tHYippA=", "8a0af2c712342f22ce00e53c1601410ef8d84156aee0a9809c32f6f7efbe556e"},
}

var (
	// ErrSeeds means that no seed node gave a usable list of nodes.
	ErrSeeds = errors.New("no seed node gave a list of nodes")
	// ErrCertificate means that a seed node is not the one it should be.
	ErrCertificate = errors.New("certificate is not the seed node's")
	errList        = errors.New("not a list of nodes")
)

const (
	maxList  = 16 << 20 // bytes: mainnet's 2,000 nodes are 0.7 MB
	maxNodes = 20_000
)

// wanted are the fields of nodes. Official clients ask for the same but for swarm and operator.
const wanted = `"fields":{"height":true,"operator_address":true,"public_ip":true,"pubkey_ed25519":true,"pubkey_x25519":true,"requested_unlock_height":true,"storage_port":true,"swarm_id":true}`

// seedRequest is all that a seed node is ever sent.
const seedRequest = `{"jsonrpc":"2.0","method":"get_n_service_nodes","params":{"active_only":true,` + wanted + `}}`

// fromSeeds asks all seed nodes at once and takes the first list.
func (c *Client) fromSeeds(ctx context.Context) ([]store.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	type answer struct {
		list []store.Node
		err  error
	}
	answers := make(chan answer, len(c.cfg.Seeds))
	for _, s := range c.cfg.Seeds {
		go func() {
			defer c.bug()
			body, err := s.ask(ctx, c.dial)
			var list []store.Node
			if err == nil {
				list, err = c.parseList(body)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", s.URL, err)
			}
			answers <- answer{list, err}
		}()
	}
	var first []store.Node
	err := ErrSeeds
	for range c.cfg.Seeds {
		a := <-answers
		switch {
		case a.err == nil && first == nil:
			first = a.list
			cancel()
		case a.err != nil:
			err = fmt.Errorf("%w: %w", err, a.err)
		}
	}
	if first == nil {
		return nil, err
	}
	return first, nil
}

// tls returns how to know the seed node: by its pins, where it has any.
func (s SeedNode) tls(host string) *tls.Config {
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if s.SPKI == "" && s.Certificate == "" {
		return cfg
	}
	cfg.InsecureSkipVerify = true // of chains only: seed nodes sign their certificates themselves, and what follows says which
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		cert := state.PeerCertificates[0]
		spki, whole := sha256.Sum256(cert.RawSubjectPublicKeyInfo), sha256.Sum256(cert.Raw)
		if s.SPKI != "" && s.SPKI != base64.StdEncoding.EncodeToString(spki[:]) ||
			s.Certificate != "" && !strings.EqualFold(s.Certificate, hex.EncodeToString(whole[:])) {
			return ErrCertificate
		}
		return nil
	}
	return cfg
}

// ask asks one seed node over a connection of its own, and starts nothing that would outlive the call.
func (s SeedNode) ask(ctx context.Context, dial dial) ([]byte, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("is not the URL of a seed node: http://host:port/ or https://…")
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	raw, err := dial(ctx, "tcp", hostPort(u, port))
	if err != nil {
		return nil, cause(ctx, fmt.Errorf("connect: %w", err))
	}
	defer raw.Close()
	defer interrupt(ctx, raw)()
	conn := io.ReadWriter(raw)
	if u.Scheme == "https" {
		t := tls.Client(raw, s.tls(u.Hostname()))
		if err := t.Handshake(); err != nil {
			return nil, cause(ctx, fmt.Errorf("TLS: %w", err))
		}
		conn = t
	}
	r, err := http.NewRequest(http.MethodPost, u.JoinPath("json_rpc").String(), strings.NewReader(seedRequest))
	if err != nil {
		return nil, err
	}
	// As official clients have it (messaging.md B.1).
	r.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"WhatsApp"}, "Accept-Language": {"en-us"}}
	r.Close = true
	if err := r.Write(conn); err != nil {
		return nil, cause(ctx, err)
	}
	list, err := readSeed(conn, r)
	if err != nil {
		return nil, cause(ctx, err)
	}
	return list, nil
}

// readSeed reads a seed node's reply.
func readSeed(conn io.Reader, r *http.Request) ([]byte, error) {
	reply, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxList)), r)
	if err != nil {
		return nil, errList // whose words would quote what came
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, errList
	}
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", reply.StatusCode)
	}
	var v struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, errList
	}
	return v.Result, nil
}

// listed is a node as a daemon lists it. Pointers are for what may be missing.
type listed struct {
	IP       string  `json:"public_ip"`
	Port     uint16  `json:"storage_port"`
	Ed25519  string  `json:"pubkey_ed25519"`
	X25519   string  `json:"pubkey_x25519"`
	Swarm    *uint64 `json:"swarm_id"`
	Operator string  `json:"operator_address"`
}

// parseList reads the result of get_service_nodes. Nodes that cannot be used are left out.
func (c *Client) parseList(result []byte) ([]store.Node, error) {
	var v struct {
		States []json.RawMessage `json:"service_node_states"`
	}
	if err := json.Unmarshal(result, &v); err != nil || len(v.States) > maxNodes {
		return nil, errList
	}
	var list []store.Node
	seen := map[[32]byte]bool{}
	for _, raw := range v.States {
		var l listed
		if json.Unmarshal(raw, &l) != nil {
			continue
		}
		if n, ok := l.node(c.mainnet()); ok && !seen[n.Ed25519] {
			seen[n.Ed25519] = true
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		return nil, errList
	}
	return list, nil
}

func (l *listed) node(mainnet bool) (store.Node, bool) {
	n := store.Node{Port: l.Port, Swarm: snode.NoSwarm, Operator: l.Operator}
	ip, err := netip.ParseAddr(l.IP)
	if err != nil || ip.Zone() != "" || !reachable(ip.Unmap(), mainnet) || l.Port == 0 || len(l.Operator) > 256 {
		return n, false
	}
	n.IP = ip.Unmap().String()
	if l.Swarm != nil {
		n.Swarm = *l.Swarm
	}
	return n, parseKey(&n.Ed25519, l.Ed25519) && parseKey(&n.X25519, l.X25519)
}

// reachable reports whether a node can be at an address. On mainnet nobody's list makes us connect to our own network.
func reachable(ip netip.Addr, mainnet bool) bool {
	if mainnet {
		return ip.IsGlobalUnicast() && !ip.IsPrivate()
	}
	return ip.IsGlobalUnicast() || ip.IsLoopback()
}

func parseKey(k *[32]byte, s string) bool {
	if len(s) != 2*len(k) {
		return false
	}
	_, err := hex.Decode(k[:], []byte(s))
	return err == nil && *k != [32]byte{}
}

// compareNodes orders nodes by their keys.
func compareNodes(a, b store.Node) int { return bytes.Compare(a.Ed25519[:], b.Ed25519[:]) }

// attempt is how long one request may take.
func (c *Client) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(c.cfg.Timeout, 10*time.Second))
}
