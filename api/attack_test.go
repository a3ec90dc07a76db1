package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary be the attackers of a server: another process, so that what is measured is the server.
func TestMain(m *testing.M) {
	if order := os.Getenv("ONSIGHT_TEST_ATTACK"); order != "" {
		a := attack{}
		if err := json.Unmarshal([]byte(order), &a.attackPlan); err != nil {
			panic(err)
		}
		a.run(os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// attackPlan is what is done to a server, at the same time and again and again until it is over. All of it comes from
// addresses 127.1.0.0 to 127.5.255.255, and claims in X-Forwarded-For to come from others.
type attackPlan struct {
	Server      string
	Idle        int // connections that ask nothing; as many as a client may have from each address
	PerClient   int
	Slow        int           // connections whose header comes byte by byte
	Bombs       int           // connections with a megabyte of header
	Askers      int           // connections that ask for random hashes as fast as they are answered, eight from each address
	Deaf        int           // connections that ask for the whole registry and read nothing, each from an address of its own
	DeafFor     time.Duration // until they come anew
	RedialEvery time.Duration // of all idle connections that were closed
}

// attackTally is what became of it.
type attackTally struct {
	Dialled map[string]int // connections by kind
	Replies map[int]int    // to askers, by status; 0: none
}

type attack struct {
	attackPlan
	mu    sync.Mutex // guards tally
	tally attackTally
}

// run takes orders, a line each: "idle" opens the idle connections, "all" begins the rest, and the end of them ends all. Each
// is answered by a line; the last one is the tally.
func (a *attack) run(orders io.Reader, out io.Writer) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	a.tally = attackTally{map[string]int{}, map[int]int{}}
	in := bufio.NewScanner(orders)
	for in.Scan() {
		switch in.Text() {
		case "idle":
			a.idle(ctx)
		case "all":
			for i := range a.Slow {
				go a.again(ctx, "slow", 2, i/20, a.slow)
			}
			for i := range a.Bombs {
				go a.again(ctx, "bomb", 3, i, a.bomb)
			}
			for i := range a.Askers {
				go a.again(ctx, "asker", 4, i/8, a.ask)
			}
			for i := range a.Deaf {
				go a.again(ctx, "deaf", 5, i, a.deaf)
			}
		}
		fmt.Fprintln(out, "done")
	}
	stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := json.NewEncoder(out).Encode(a.tally); err != nil {
		panic(err)
	}
}

// again connects from an address and does what it is given, until all is over. One that cannot connect waits.
func (a *attack) again(ctx context.Context, kind string, network byte, address int, do func(context.Context, net.Conn)) {
	for ctx.Err() == nil {
		c, err := a.dial(ctx, kind, network, address)
		if err != nil {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		do(ctx, c)
		c.Close()
	}
}

func (a *attack) dial(ctx context.Context, kind string, network byte, address int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, network, byte(address>>8), byte(address))}}
	c, err := d.DialContext(ctx, "tcp", a.Server)
	if err == nil {
		a.mu.Lock()
		a.tally.Dialled[kind]++
		a.mu.Unlock()
	}
	return c, err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// idle opens the idle connections, and then keeps opening those that were closed.
func (a *attack) idle(ctx context.Context) {
	closed := make(chan int, a.Idle)
	open := func(i int) {
		c, err := a.dial(ctx, "idle", 1, i/a.PerClient)
		if err != nil {
			closed <- i
			return
		}
		go func() {
			_, _ = c.Read(make([]byte, 1)) // until it is closed
			c.Close()
			closed <- i
		}()
	}
	for i := range a.Idle {
		open(i)
	}
	go func() {
		tick := time.NewTicker(a.RedialEvery)
		defer tick.Stop()
		for range tick.C {
			open(<-closed)
		}
	}()
}

func (a *attack) slow(ctx context.Context, c net.Conn) {
	if _, err := io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		return
	}
	for ctx.Err() == nil {
		if _, err := io.WriteString(c, "x"); err != nil {
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}

var bombs = []byte("GET /v1/status HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Bomb: x\r\n", 1<<20/11))

func (a *attack) bomb(_ context.Context, c net.Conn) {
	_, _ = c.Write(bombs) // breaks off
	_, _ = io.Copy(io.Discard, c)
}

func (a *attack) ask(ctx context.Context, c net.Conn) {
	in := bufio.NewReader(c)
	var seed [40]byte
	for ctx.Err() == nil {
		if _, err := rand.Read(seed[:]); err != nil {
			panic(err)
		}
		_, err := fmt.Fprintf(c, "GET /v1/names/session/%x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n", seed[:32], net.IP(seed[32:36]))
		status := 0
		if err == nil {
			var res *http.Response
			if res, err = http.ReadResponse(in, nil); err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				status = res.StatusCode
			}
		}
		a.mu.Lock()
		a.tally.Replies[status]++
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (a *attack) deaf(ctx context.Context, c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	if _, err := io.WriteString(c, "GET /v1/names/range/0/0 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"); err == nil {
		pause(ctx, a.DeafFor)
	}
}

// attackers is a running attack.
type attackers struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startAttack(t testing.TB, plan attackPlan) *attackers {
	t.Helper()
	order, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a := &attackers{cmd: exec.Command(self)}
	a.cmd.Env = append(os.Environ(), "ONSIGHT_TEST_ATTACK="+string(order))
	a.cmd.Stderr = os.Stderr
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill() // which may have ended
		_ = a.cmd.Wait()
	})
	a.out = bufio.NewReader(out)
	return a
}

// order has something begin, and returns once it has.
func (a *attackers) order(t testing.TB, what string) {
	t.Helper()
	if _, err := io.WriteString(a.in, what+"\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := a.out.ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("%s: the attackers say %q, %v", what, line, err)
	}
}

// stop ends the attack.
func (a *attackers) stop(t testing.TB) (tally attackTally) {
	t.Helper()
	if err := a.in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(a.out).Decode(&tally); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return tally
}

// goodClient asks one thing after the other over a connection, and over a new one if that was closed, or every few requests
// anyway, as a browser would.
type goodClient struct {
	at    string
	conn  net.Conn
	in    *bufio.Reader
	left  int // requests on this connection
	again int // requests that were sent a second time
}

const perConnection = 10

// ask returns the reply to a GET, which must be a 200.
func (g *goodClient) ask(request []byte) ([]byte, error) {
	if g.conn != nil && g.left > 0 {
		if body, err := g.once(request); err == nil {
			return body, nil
		}
		g.again++ // it may have been closed just then
	}
	g.close()
	var err error
	if g.conn, err = net.Dial("tcp", g.at); err != nil {
		return nil, err
	}
	g.in, g.left = bufio.NewReader(g.conn), perConnection
	return g.once(request)
}

func (g *goodClient) once(request []byte) ([]byte, error) {
	g.left--
	if err := g.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := g.conn.Write(request); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(g.in, nil)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", res.StatusCode, body.Bytes())
	}
	return body.Bytes(), nil
}

func (g *goodClient) close() {
	if g.conn != nil {
		g.conn.Close()
	}
}
