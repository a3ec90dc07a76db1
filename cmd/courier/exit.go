package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"onsight/client"
	"onsight/client/store"
	"onsight/client/vault"
	"onsight/ons"
)

// Exit codes, as `courier help` lists them. Those that cmd/onsight has too mean the same there.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitNotFound    = 4
	exitHeld        = 5
	exitLate        = 6
	exitLocked      = 7
	exitInterrupted = 130 // 128 and the number of SIGINT, as shells have it
)

// usageError marks what the user wrote as wrong, as opposed to what became of it.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// missingError means that there is no such thing.
type missingError struct{ error }

func (e missingError) Unwrap() error { return e.error }

func missingf(format string, args ...any) error {
	return missingError{fmt.Errorf(format, args...)}
}

var (
	// errNoProfile means that init has not been run.
	errNoProfile = errors.New("there is no such profile")
	// errProfile means that a profile would be overwritten.
	errProfile = errors.New("the profile exists")
	// errNoTerminal means that something has to be asked, and nobody is there to answer.
	errNoTerminal = errors.New("there is no terminal to ask at")
	// errNoInput is errNoTerminal where there may be one.
	errNoInput error = noInputError{}
	// errNoKey means that neither keyring nor file nor terminal gave what opens the vault.
	errNoKey = errors.New("the profile is locked")
	// errNoSeal means that a new profile has nothing that could keep its key.
	errNoSeal = errors.New("nothing to keep the key of the profile with")
	// errNothing means that the input ended at a terminal (Ctrl-D) before anything was typed.
	errNothing = errors.New("nothing was typed")
	// errDiffer means that a new passphrase was typed in two ways.
	errDiffer = errors.New("the two differ")
	// errSecretFile means that the file of a passphrase does not have one.
	errSecretFile = errors.New("read the passphrase")
	// errVault means that the file that opens the database is not one.
	errVault = errors.New("the vault is damaged")
	// errHalf means that of a profile one half is there: what opens the database, or the database.
	errHalf = errors.New("the profile is not whole")
	// errLong means that there is more on standard input than is read.
	errLong = errors.New("standard input is longer")
	// errLate means that a message was not stored in the time that was given.
	errLate = errors.New("not stored in time: it stays in the outbox")
	// errNoAnswer means that a name was not found out in the time that was given.
	errNoAnswer = errors.New("what the name stands for was not found out in time: nothing was queued")
	// errGivenUp means that a message will not be sent any more, unless somebody says so.
	errGivenUp = errors.New("given up")
)

// plainly puts in front of what a disk, a file system or a database said what that means.
func plainly(err error) error {
	trouble := store.Trouble(err)
	switch {
	case trouble != nil:
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG), errors.Is(err, syscall.EROFS):
		trouble = store.ErrDisk
	case errors.Is(err, vault.ErrFormat):
		trouble = errVault
	default:
		return err
	}
	return fmt.Errorf("%w: %w", trouble, err)
}

type noInputError struct{}

func (noInputError) Error() string {
	return "nothing may be asked, since --no-input (COURIER_NO_INPUT) is set"
}
func (noInputError) Is(target error) bool { return target == errNoTerminal }

// exitCode maps an error to what the program exits with.
func exitCode(err error) int {
	var usage usageError
	var missing missingError
	var held *client.HeldError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &held), errors.Is(err, errChanged), errors.Is(err, store.ErrPin):
		return exitHeld
	case errors.Is(err, client.ErrUnreadable), errors.Is(err, client.ErrID), errors.Is(err, client.ErrBehind):
		return exitUnavailable
	case errors.Is(err, errLate):
		return exitLate
	case errors.Is(err, errNoKey), errors.Is(err, errNoSeal), errors.Is(err, errNoTerminal), errors.Is(err, errNothing), errors.Is(err, errDiffer),
		errors.Is(err, errSecretFile), errors.Is(err, vault.ErrEmpty), errors.Is(err, vault.ErrPassphrase), errors.Is(err, vault.ErrLocked),
		errors.Is(err, vault.ErrKeyring):
		return exitLocked
	case errors.As(err, &missing), errors.Is(err, ons.ErrNotFound), errors.Is(err, store.ErrNotFound), errors.Is(err, errNoProfile),
		errors.Is(err, errGone):
		return exitNotFound
	case errors.Is(err, ons.ErrUnavailable), errors.Is(err, client.ErrFewNodes), errors.Is(err, client.ErrDisagree), errors.Is(err, client.ErrSeeds),
		errors.Is(err, client.ErrCertificate), errors.Is(err, client.ErrNode), errors.Is(err, client.ErrPath), errors.Is(err, client.ErrNodes),
		errors.Is(err, errIll), errors.Is(err, errNoAnswer), errors.Is(err, client.ErrSwarm), errors.Is(err, client.ErrStored), errors.Is(err, client.ErrProxy), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitError
}

// whole is how a profile that is broken is had again.
const whole = "put back a copy of its folder, or make a new one from its 13 words: `courier init --restore --profile NAME`"

// hintFor says what to do next, where we know it.
func hintFor(err error) string {
	var held *client.HeldError
	var usage usageError
	var taken *heldError
	switch {
	case errors.As(err, &held) && held.Gone:
		return "`courier names approve " + shownName(held.Name) + " " + held.Old.String() + "` sends what waits to the account that it was"
	case errors.As(err, &taken):
		return "end that one, or follow under another name with --consumer: events that one has dealt with are not given to the other"
	case errors.As(err, &held) && held.Why != nil:
		return "what is sent waits until the name stands for an account; `courier names receipt " + shownName(held.Name) + "` says who said what"
	case errors.Is(err, client.ErrBehind):
		return "try again in a while; `courier names receipt` says who said what"
	case errors.Is(err, client.ErrUnreadable) && !errors.Is(err, client.ErrFewNodes):
		return "its owner has to store another value; `courier names receipt` says who said what"
	case errors.As(err, &held):
		return "ask them by another way whether that is so; then `courier names approve " + shownName(held.Name) + "` sends what waits, to the new account"
	case errors.Is(err, errChanged):
		return "`courier names pins` says who they were and are; ask them by another way, then `courier names approve NAME`"
	case errors.Is(err, errGone):
		return "what is sent to them still goes to whom they stood for"
	case errors.Is(err, store.ErrPin):
		return "`courier names pins` says what the name points to"
	case errors.Is(err, errNoProfile):
		return "make one with `courier init`, or name another with --profile; `courier profiles` lists those there are"
	case errors.Is(err, errProfile):
		return "name a new one with --profile NAME"
	case errors.Is(err, vault.ErrPassphrase):
		return "try again, or name the file that holds it with --passphrase-file (COURIER_PASSPHRASE_FILE)"
	case errors.Is(err, errNoSeal):
		return "put a passphrase into a file and name it with --passphrase-file (COURIER_PASSPHRASE_FILE)"
	case errors.Is(err, errSecretFile):
		return "the first line of the file that --passphrase-file (COURIER_PASSPHRASE_FILE) names has to be the passphrase"
	case errors.Is(err, errNothing), errors.Is(err, vault.ErrEmpty):
		return "type it, or see --help for how it is told without a terminal"
	case errors.Is(err, errNoKey), errors.Is(err, vault.ErrLocked):
		return "name a file that holds the passphrase with COURIER_PASSPHRASE_FILE, or run `courier vault unlock` once where there is a keyring"
	case errors.Is(err, errNoTerminal):
		return "run it at a terminal, or see --help for how it is told without one"
	case errors.Is(err, errLate):
		return "`courier outbox list` says why; `courier listen` goes on trying"
	case errors.Is(err, errGivenUp):
		return "`courier outbox retry` with the number of the message tries once more"
	case errors.Is(err, client.ErrBIP39):
		return "use the 13 words that Session shows under Recovery Password"
	case errors.Is(err, client.ErrSeeds), errors.Is(err, client.ErrNodes), errors.Is(err, client.ErrPath):
		return "`courier net doctor` says what is wrong; other seed nodes are named with --seeds (COURIER_SEEDS)"
	case errors.Is(err, client.ErrFewNodes), errors.Is(err, client.ErrDisagree):
		return "try again, or ask more nodes with --ask; `courier names receipt` says who said what"
	case errors.Is(err, ons.ErrNotFound):
		return "check how it is spelt; ids and nicknames (@nick) are taken too"
	case errors.Is(err, client.ErrID):
		return "the name stands for something else than an account of Session"
	case errors.Is(err, store.ErrKey):
		return "the vault and the database are of different profiles, or the database is damaged: " + whole
	case errors.Is(err, store.ErrDamaged), errors.Is(err, errVault), errors.Is(err, errHalf):
		return whole
	case errors.Is(err, store.ErrDisk):
		return "make room (`df` says where there is none), or see that the folder can be written, or name another with --home; then try again"
	case errors.Is(err, syscall.ENOTDIR):
		return "a folder of profiles is no file: name another with --home (COURIER_HOME)"
	case errors.Is(err, store.ErrSchemaNew), errors.Is(err, vault.ErrNewer):
		return "a newer courier wrote it: use that one"
	case errors.Is(err, client.ErrProxy):
		return "check --proxy (COURIER_PROXY)"
	case errors.As(err, &usage): // what is said of files below is about our own
	case errors.Is(err, fs.ErrPermission):
		return "profiles belong to who made them: look at the owner of the folder, or name another with --home"
	}
	return ""
}
