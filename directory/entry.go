package directory

// Entry is a node with everything that is known of it here: what queries, scores and choices look at.
type Entry struct {
	Node     Node
	Estimate Estimate // zero: never measured from here
	Place    Place
	Verdict  Verdict // of the vantage points; zero: none reported
}

// Health is what is known of something that may be well or not.
type Health string

const (
	Unknown Health = "unknown"
	Up      Health = "up"
	Down    Health = "down"
)

// Reachable is the best answer there is: the vantage points', else our own last check, else that of the daemon asked.
func (e *Entry) Reachable() Health {
	switch {
	case e.Verdict.Health != "" && e.Verdict.Health != Unknown:
		return e.Verdict.Health
	case e.Estimate.Tried > 0:
		return health(e.Estimate.OK)
	case e.Node.StorageReach.Known:
		return health(e.Node.StorageReach.OK)
	}
	return Unknown
}

func health(ok bool) Health {
	if ok {
		return Up
	}
	return Down
}
