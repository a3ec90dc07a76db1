package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"onsight/api"
	"onsight/indexer"
	"onsight/internal/index"
	"onsight/internal/store"
	"onsight/ons"
)

func (p program) exportCommand(f *flags) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write ranges and bundle as files, for a host that runs nothing of ours",
		Long: `Write all ranges of names, with what happened to them, and the bundle as plain files, so that any file host or CDN answers
onsight resolve --server, onsight doctor --server and onsight bundle pull. Run it again, from cron say, to bring the files up to date: each
block gets a folder that never changes, the one before is kept for clients that are at it, and v1/status, which names the newest, is
replaced last. Whoever looks a name up tells the host as little as a server. There are no files for single names (--exact).`,
		Example: `  onsight export --static /srv/names`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usagef("--static: must name a folder")
			}
			return p.export(cmd.Context(), f, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "static", "", "write into the folder `DIR`")
	return cmd
}

// exportedView is what an export did.
type exportedView struct {
	Folder string   `json:"folder"` // of this block's ranges
	AsOf   asOfView `json:"as_of"`
	Files  int      `json:"files"` // written; 0: they were there
	Bytes  int64    `json:"bytes"`
}

func (p program) export(ctx context.Context, f *flags, dir string) error {
	db, err := f.openDatabase(ctx, p.env, false)
	if err != nil {
		return err
	}
	defer db.Close()
	x := index.New(db)
	if err := x.Load(ctx); err != nil {
		return unavailable(err)
	}
	snap := x.Snapshot()
	st := snap.State()
	if st.Phase != indexer.Synced {
		return fmt.Errorf("the index stands at block %d of %d (%s), and what is exported must tell what is not registered: %w", st.Tip.Height, st.Target, st.Phase, ons.ErrUnavailable)
	}
	if age := time.Since(st.Asked); age > staleAfter {
		fmt.Fprintf(p.stderr, "onsight: warning: the index last followed a daemon %s ago: the files are as old\n", age.Round(time.Second))
	}
	e, err := api.NewExport(snap)
	if err != nil {
		return err
	}
	w := exporter{at: filepath.Join(dir, "v1", "names", "at")}
	if err := w.write(ctx, dir, e, exported{network: string(st.Network), height: st.Tip.Height}); err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	v := exportedView{
		Folder: filepath.Join(w.at, e.Folder), Files: w.files, Bytes: w.bytes,
		AsOf: asOfView{Height: st.Tip.Height, Hash: st.Tip.Hash.String(), Time: clock(st.TipTime)},
	}
	if f.json() {
		return p.printJSON(v)
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %s at height %d: %d files written, %d bytes\n", v.Folder, st.Network, v.AsOf.Height, v.Files, v.Bytes)
	return err
}

// exporter writes files that others may read, and counts them.
type exporter struct {
	at    string // where the folders of blocks are
	files int
	bytes int64
}

// write puts an export into a folder: this block's ranges, the bundle, the status, each in one step and in this order. Then it
// takes out the ranges of other blocks, but for the one that the status named before. It is alone in the folder, takes out first
// what a killed export left, and never goes back to an older block.
func (w *exporter) write(ctx context.Context, dir string, e *api.Export, point exported) (err error) {
	if _, err := readExported(dir); err != nil { // nothing is put into what is not ours
		return err
	}
	if err := os.MkdirAll(w.at, 0o755); err != nil {
		return err
	}
	// The lock goes with its holder; its file stays, or one could wait for a file that is no longer there.
	lock := flock.New(filepath.Join(dir, exportLock), flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	switch alone, err := lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("lock: %w", err)
	case !alone:
		return &store.LockedError{Path: dir}
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	before, err := readExported(dir)
	if err != nil {
		return err
	}
	if err := before.older(point); err != nil {
		return err
	}
	if err := w.sweep(dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(w.at, e.Folder)); errors.Is(err, fs.ErrNotExist) {
		if err := w.ranges(ctx, e); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	status, err := e.Status()
	if err != nil {
		return err
	}
	for _, file := range []struct {
		path string
		body []byte
	}{{"v1/names/bundle", e.Bundle()}, {"v1/status", status}} {
		path := filepath.Join(dir, filepath.FromSlash(file.path))
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, file.body) {
			continue
		}
		if err := w.replace(path, file.body); err != nil {
			return err
		}
	}
	if before.folder == e.Folder { // who is at the one before still may be
		return nil
	}
	return w.clean(e.Folder, before.folder)
}

// exportLock is the file that an export holds in the folder into which it writes.
const exportLock = ".export.lock"

// exported is what a status says of an export; zero if there is none.
type exported struct {
	folder  string
	network string
	height  uint64
}

func readExported(dir string) (exported, error) {
	b, err := os.ReadFile(filepath.Join(dir, "v1", "status"))
	if errors.Is(err, fs.ErrNotExist) {
		return exported{}, nil
	}
	var status struct {
		Network string `json:"network"`
		AsOf    struct {
			Height uint64 `json:"height"`
		} `json:"as_of"`
		Files struct {
			At string `json:"at"`
		} `json:"files"`
	}
	if err == nil {
		err = json.Unmarshal(b, &status)
	}
	if err == nil && status.Files.At == "" {
		err = errors.New("v1/status is not of an export: name another folder")
	}
	return exported{status.Files.At, status.Network, status.AsOf.Height}, err
}

// older returns why an export must not be followed by another one: clients do not take an older block either.
func (was exported) older(next exported) error {
	switch {
	case was.folder == "":
		return nil
	case was.network != next.network:
		return fmt.Errorf("v1/status is of %s, not %s: %w: %w", was.network, next.network, indexer.ErrOtherNetwork, ons.ErrUnavailable)
	case was.height > next.height:
		return fmt.Errorf("v1/status is of block %d, and the index was at %d: %w", was.height, next.height, ons.ErrUnavailable)
	}
	return nil
}

// sweep takes out what killed exports were writing. The lock is held.
func (w *exporter) sweep(dir string) error {
	for _, in := range []string{w.at, filepath.Join(dir, "v1", "names"), filepath.Join(dir, "v1")} {
		entries, err := os.ReadDir(in)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), unfinished) {
				if err := os.RemoveAll(filepath.Join(in, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ranges writes the folder of a block, beside its place first.
func (w *exporter) ranges(ctx context.Context, e *api.Export) (err error) {
	tmp, err := os.MkdirTemp(w.at, unfinished+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	err = e.Ranges(func(path string, write func(io.Writer) error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		path = filepath.Join(tmp, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		return w.finish(file, write)
	})
	if err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(w.at, e.Folder))
}

// unfinished is what names of folders begin with that are being written, or were when the program was killed.
const unfinished = ".new-"

// replace puts a file in the place of what is there in one step.
func (w *exporter) replace(path string, body []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := file.Chmod(0o644); err != nil {
		return errors.Join(err, file.Close())
	}
	err = w.finish(file, func(out io.Writer) error {
		_, err := out.Write(body)
		return err
	})
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// finish writes a file, has it reach the disk, and closes it.
func (w *exporter) finish(file *os.File, write func(io.Writer) error) error {
	err := write(file)
	if err == nil {
		err = file.Sync()
	}
	if info, statErr := file.Stat(); statErr == nil {
		w.files, w.bytes = w.files+1, w.bytes+info.Size()
	}
	return errors.Join(err, file.Close())
}

// ofBlock is the name of a folder of a block: its height and the beginning of its hash.
var ofBlock = regexp.MustCompile(`^[0-9]{1,20}-[0-9a-f]{16}$`)

// made reports whether a folder is one that an export makes: by its name, and by holding nothing but ranges and histories.
func (w *exporter) made(name string) (bool, error) {
	if strings.HasPrefix(name, unfinished) {
		return true, nil
	}
	if !ofBlock.MatchString(name) {
		return false, nil
	}
	entries, err := os.ReadDir(filepath.Join(w.at, name))
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name() != "range" && e.Name() != "history" {
			return false, nil
		}
	}
	return true, nil
}

// clean takes out all folders of blocks but two. What no export makes is left alone.
func (w *exporter) clean(keep, keepToo string) error {
	entries, err := os.ReadDir(w.at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && name != keep && name != keepToo {
			ours, err := w.made(name)
			if err != nil {
				return err
			}
			if !ours {
				continue
			}
			if err := os.RemoveAll(filepath.Join(w.at, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
