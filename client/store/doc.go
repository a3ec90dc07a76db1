// Package store is the messenger's database: one account, whom it knows, what was said, and what is still to be sent, in one
// SQLite file that is encrypted as a whole (Adiantum; the write-ahead log too). Its key comes from client/vault.
//
// Several processes may use a file at once: one that listens, and commands beside it. What must happen together is one method
// and one transaction:
//
//   - [Store.Queue]: a message, the bytes to be sent for it, and its first lines in the ledger. Bytes are final: each attempt
//     sends the same, so a server that has them already says so, and what was accepted is sent though the process died.
//   - [Store.Receive]: what was fetched from a node, and where to go on reading. What was seen before changes nothing, whoever
//     fetched it: by its hash in the swarm, and by chat, sender and time.
//   - [Store.Confirm]: what nodes said of a name, and the pin it makes or contradicts.
//
// Programs that follow read [Store.Events] after a number, and say with [Store.Ack] how far they came: each is told at least
// once, under a number that stays.
//
//	account                       one row: seed, id, name; the network's time, and the height that its chain is known to have
//	contacts, chats               whom we know, and conversations by who is at the other end
//	messages, search              seq, chat, sender, sent, …; an FTS5 index over their texts
//	seen, cursors, skipped        what was fetched, how far, and what could not be shown
//	outbox, ledger                what is to be sent, and what happened to each message
//	events, consumers             the log that programs follow
//	pins, receipts, answers, held names: what they stand for, who said so, and messages that wait for a decision
//	nodes, pool                   the service nodes we know
//
// Ids are 33 bytes, as client.ID, which is assignable to and from them. Times are stored as Unix milliseconds, which is what
// messages carry. The schema is made by the numbered SQL files in migrations, never by gorm.
//
// Encryption hides what is stored, not that somebody who can write to the file has put back an older one.
package store
