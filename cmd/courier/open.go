package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"onsight/client"
	"onsight/client/store"
	"onsight/client/vault"
	"onsight/internal/stack"
	"onsight/internal/terminal"
	"onsight/ons"
)

// purpose is what the database's key is derived for.
const purpose = "courier database"

// desk is an opened profile, and what commands work at. Close it.
type desk struct {
	*client.Client
	store    *store.Store
	account  store.Account
	unlocked time.Duration // how long it took to get the key
	how      string        // where it came from
	opened   time.Duration // how long the rest of it took
	begun    time.Time
	bug      func(any)
	stored   chan struct{} // has one when a message was stored since it was looked
}

// unlocking is a key, and how it was come by.
type unlocking struct {
	key  vault.Key
	took time.Duration
	how  string // keyring, file or terminal
}

// open opens the profile: its vault, its database, and the client of its account, which asks nobody anything yet.
func (p program) open(ctx context.Context, f *flags) (*desk, error) {
	begun := time.Now()
	v, err := p.openVault(f)
	if err == nil {
		err = f.checkProxy()
	}
	if err != nil {
		return nil, err
	}
	got, err := p.unlock(ctx, f, v)
	if err != nil {
		return nil, err
	}
	log := f.logger(p)
	log.Debug("vault open", "by", got.how, "took", got.took)
	s, err := store.Open(ctx, store.Config{Path: f.storePath(), Key: got.key.Derive(purpose), Log: log})
	if err != nil {
		return nil, err
	}
	d := &desk{store: s, unlocked: got.took, how: got.how, begun: begun, bug: p.bug, stored: make(chan struct{}, 1)}
	if err := d.begin(ctx, p, f); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	d.opened = time.Since(begun) - got.took
	return d, nil
}

func (d *desk) begin(ctx context.Context, p program, f *flags) (err error) {
	if d.account, err = d.store.Account(ctx); errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: the database in %s has no account", errHalf, f.folder())
	} else if err != nil {
		return err
	}
	network := ons.Network(d.account.Network)
	if err := f.checkNetwork(network); err != nil {
		return err
	}
	d.Client, err = client.New(client.Config{
		Store: d.store, Account: client.NewAccount(d.account.Seed), Network: network, Seeds: f.seedNodes(), Proxy: f.by,
		MaxLatency: f.maxLatency, Agree: f.agree, Ask: f.ask, Encryption: f.encryption, Extra: f.voices(network), Log: f.logger(p),
		Bug: p.bug,
		Stored: func(int64) {
			select {
			case d.stored <- struct{}{}:
			default: // it says so already
			}
		},
		Notice: func(rule string) { p.tell("%s", rule) },
	})
	if err != nil {
		return err
	}
	_, err = d.store.Expire(ctx, d.Now()) // no command shows what was to disappear, whether anything listens or not
	return err
}

// bug ends the program at a panic in a goroutine. The function that recovers v must call it.
func (p program) bug(v any) {
	stack.Report(p.stderr, "courier", v)
	os.Exit(exitError)
}

// Close closes the client, then its database.
func (d *desk) Close() error { return errors.Join(d.Client.Close(), d.store.Close()) }

// openVault reads the vault of the profile, which is still locked.
func (p program) openVault(f *flags) (*vault.Vault, error) {
	v, err := vault.Open(f.vaultPath())
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(f.storePath()):
		return nil, fmt.Errorf("%w: there is a database in %s, and no vault that opens it", errHalf, f.folder())
	case err == nil && !exists(f.storePath()):
		return nil, fmt.Errorf("%w: there is a vault in %s, and no database", errHalf, f.folder())
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("profile %s in %s: %w", f.profile, f.home, errNoProfile)
	}
	return v, err
}

// keyringTime is how long a keyring may take where nobody is there to open it: one that is locked asks its owner, and waits.
const keyringTime = 5 * time.Second

// unlock gets the vault's key: with the passphrase out of the file that was named, or out of the keyring, or from the terminal.
func (p program) unlock(ctx context.Context, f *flags, v *vault.Vault) (unlocking, error) {
	var locked error
	if f.passphrase == "" || !v.HasPassphrase() {
		begun := time.Now()
		key, err := p.recall(ctx, f, v)
		if err == nil {
			return unlocking{key, time.Since(begun), "keyring"}, nil
		}
		if !v.HasPassphrase() || ctx.Err() != nil {
			return unlocking{}, err
		}
		locked = err
	}
	if f.passphrase == "" { // what is typed while a key is derived may be the next try
		if in, done, err := p.terminal(f); err == nil {
			defer done()
			show, err := terminal.Hush(in)
			if err != nil {
				return unlocking{}, err
			}
			defer func() { _ = show() }() // there is nothing else that could be done about it
		}
	}
	for try := 1; ; try++ {
		got, err := p.typed(ctx, f, v)
		switch {
		case errors.Is(err, errNoTerminal):
			return unlocking{}, fmt.Errorf("%w: %w, and no passphrase file was named", errNoKey, locked)
		case err == nil || f.passphrase != "" || try == tries || !errors.Is(err, vault.ErrPassphrase) && !errors.Is(err, vault.ErrEmpty):
			return got, err
		}
		p.tell("%v: try again", err)
	}
}

// typed gets the vault's key with the passphrase, out of the file that was named or from the terminal.
func (p program) typed(ctx context.Context, f *flags, v *vault.Vault) (unlocking, error) {
	passphrase, how, err := p.passphrase(ctx, f)
	if err == nil && len(passphrase) == 0 {
		err = vault.ErrEmpty
	}
	if err != nil {
		return unlocking{}, err
	}
	defer clear(passphrase)
	begun := time.Now()
	key, err := v.Unlock(passphrase)
	if err != nil {
		return unlocking{}, err
	}
	return unlocking{key, time.Since(begun), how}, nil
}

// recall asks the keyring, which has time for its owner's answer unless nothing may be asked.
func (p program) recall(ctx context.Context, f *flags, v *vault.Vault) (vault.Key, error) {
	if !f.noInput {
		return unlessOver(ctx, p, v.Recall)
	}
	limited, done := context.WithTimeout(ctx, keyringTime)
	defer done()
	key, err := unlessOver(limited, p, v.Recall)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return key, fmt.Errorf("%w: it did not answer within %v, and nothing may be asked", vault.ErrKeyring, keyringTime)
	}
	return key, err
}

// passphrase reads it out of the file that was named, or at the terminal. Clear it when it was used.
func (p program) passphrase(ctx context.Context, f *flags) (passphrase []byte, how string, err error) {
	if f.passphrase != "" {
		passphrase, err = p.secretFile(f.passphrase)
		return passphrase, "file", err
	}
	passphrase, err = p.secret(ctx, f, "passphrase of profile "+f.profile+": ")
	return passphrase, "terminal", err
}

// at opens the profile, does what is to be done there, and closes it.
func (p program) at(ctx context.Context, f *flags, do func(*desk) error) (err error) {
	d, err := p.open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return do(d)
}
