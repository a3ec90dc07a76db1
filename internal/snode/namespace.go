package snode

// PublicInbox reports whether anyone may store in namespace, unsigned (messaging.md C.8).
func PublicInbox(namespace int16) bool { return namespace%10 == 0 }

// PublicOutbox reports whether namespace is one of −1, −21, −41 …: anyone may read it, and it holds one message
// (messaging.md C.8).
func PublicOutbox(namespace int16) bool { return namespace < 0 && -int(namespace)%20 == 1 }

// legacyGroup is the namespace of the groups before 2024, the one public inbox that is read unsigned.
const legacyGroup = -10

// ReadableByAnyone reports whether namespace is read without a signature (messaging.md C.5, retrieve).
func ReadableByAnyone(namespace int16) bool {
	return namespace == legacyGroup || PublicOutbox(namespace)
}

// RevokedMayRead reports whether a revoked subaccount still reads namespace: −11, −111 …, where removed members are
// told so (messaging.md C.5, retrieve).
func RevokedMayRead(namespace int16) bool { return namespace < 0 && -int(namespace)%100 == 11 }
