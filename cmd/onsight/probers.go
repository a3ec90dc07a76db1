package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"onsight/api"
	"onsight/internal/store"
)

const proberNames = "a to z, 0 to 9 and -, at most 32, beginning with a letter"

var proberName = regexp.MustCompile(api.ProberName)

func (p program) probersCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probers",
		Short: "Say which other machines may report measurements",
		Long: `Say which other machines may report measurements to this database's server (onsight probe --report-to).

A node is called down when most of the vantage points say so that reported lately: with two or more beside this one, no
single one decides.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "add NAME KEY", Short: "Enrol a machine by the key that its `onsight probe keygen` printed", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				if !proberName.MatchString(args[0]) {
					return usagef("%q is not a name for a prober: use %s", args[0], proberNames)
				}
				key, err := hex.DecodeString(args[1])
				if err != nil || len(key) != ed25519.PublicKeySize {
					return usagef("the key must be the 64 hexadecimal digits that onsight probe keygen prints")
				}
				return p.enrolment(cmd.Context(), f, args[0]+" is enrolled", func(ctx context.Context, db *store.Store) error {
					return db.Enrol(ctx, args[0], key)
				})
			},
		},
		&cobra.Command{
			Use: "remove NAME", Short: "Take back an enrolment, and what that machine measured", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.enrolment(cmd.Context(), f, args[0]+" is removed", func(ctx context.Context, db *store.Store) error {
					return db.Dismiss(ctx, args[0])
				})
			},
		},
		&cobra.Command{
			Use: "list", Short: "Show who is enrolled, and who reported when", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return p.listProbers(cmd.Context(), f) },
		},
	)
	return cmd
}

// enrolment changes who may report, beside a server that may be running.
func (p program) enrolment(ctx context.Context, f *flags, done string, change func(context.Context, *store.Store) error) error {
	db, err := p.openShared(ctx, f)
	if err != nil {
		return err
	}
	if err := errors.Join(change(ctx, db), db.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, done)
	return err
}

func (p program) openShared(ctx context.Context, f *flags) (*store.Store, error) {
	path, err := f.readPath(p.env)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{Path: path, Shared: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, errNoDatabase)
	}
	if err != nil {
		return nil, err
	}
	d := &database{Store: db, path: path}
	if d.state, err = db.State(ctx); err == nil {
		err = d.check(f)
	}
	if err != nil {
		return nil, errors.Join(unavailable(err), db.Close())
	}
	return db, nil
}

type proberView struct {
	Name     string  `json:"name"`
	Key      string  `json:"key"`
	Enrolled string  `json:"enrolled_at"`
	Reported *string `json:"reported_at"` // null: never
	Sequence uint64  `json:"sequence"`
}

func (p program) listProbers(ctx context.Context, f *flags) error {
	db, err := p.openShared(ctx, f)
	if err != nil {
		return err
	}
	list, err := db.Probers(ctx)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	views := make([]proberView, 0, len(list))
	for _, x := range list {
		v := proberView{Name: x.Name, Key: hex.EncodeToString(x.Key), Enrolled: x.Enrolled.UTC().Format(time.RFC3339), Sequence: x.Sequence}
		if !x.Reported.IsZero() {
			at := x.Reported.UTC().Format(time.RFC3339)
			v.Reported = &at
		}
		views = append(views, v)
	}
	if f.json() {
		return p.printJSON(views)
	}
	tw := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tENROLLED\tLAST REPORT\tKEY")
	for _, v := range views {
		reported := "never"
		if v.Reported != nil {
			reported = *v.Reported
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", v.Name, v.Enrolled, reported, v.Key)
	}
	return tw.Flush()
}

func (p program) keygenCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make the key that this machine signs its reports with",
		Long: `Make the key that this machine signs its reports with, in a file that only you may read, and print its public part for
onsight probers add. Without FILE it is the one that onsight probe uses by itself. A file that is there is never replaced.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := defaultKeyPath(p.env)
			if len(args) > 0 {
				path, err = args[0], nil
			}
			if err != nil {
				return err
			}
			public, err := makeKey(path)
			if err != nil {
				return err
			}
			if f.json() {
				return p.printJSON(keyView{Key: hex.EncodeToString(public), File: path})
			}
			_, err = fmt.Fprintf(p.stdout, "%x\n", public)
			return err
		},
	}
}

type keyView struct {
	Key  string `json:"key"`
	File string `json:"file"`
}

// defaultKeyPath is where the key of reports lives when no file is named.
func defaultKeyPath(env func(string) string) (string, error) {
	path, err := defaultPath(env, "")
	return filepath.Join(filepath.Dir(path), "probe.key"), err
}

// makeKey writes a new key to a file of its own, as PKCS #8 in PEM, and returns its public part.
func makeKey(path string) (ed25519.PublicKey, error) {
	public, key, err := ed25519.GenerateKey(nil) // crypto/rand
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	_, err = file.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("make key: %w", err), os.Remove(path))
	}
	return public, nil
}

var errNoKey = errors.New("not a key that onsight probe keygen made")

// readKey reads what makeKey wrote. A file that others may read is refused: they may have.
func readKey(path string) (ed25519.PrivateKey, error) {
	b, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read key: %s: %w", path, errNoKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("read key: %s: %w", path, errNoKey)
	}
	return key, nil
}

// readSecret reads a small file that others may not read.
func readSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read it (mode %04o): make it 0600, or a new one", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(file, 4<<10))
}

// detail is what a server says of its own refusal, made fit for a terminal; "" if it is nothing.
func detail(body []byte) string {
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return ""
	}
	words := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, problem.Detail)
	return ": it says: " + words[:min(len(words), 200)]
}
