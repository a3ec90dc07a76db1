package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"onsight/directory"
)

// Columns that are shown when none are named.
var (
	tableColumns = []string{"key", "state", "ip", "version", "storage_version", "credit", "proof", "reachable", "latency", "loss"}
	csvColumns   = []string{"key", "state", "version", "storage_version", "lokinet_version", "swarm", "ip", "country", "as",
		"credit", "decommissions", "proof", "registered", "since", "reachable", "latency", "loss",
		"operator", "operator_fee", "stake", "ed25519", "x25519"}
)

// fieldsOf is a node's JSON, cut into its fields.
func fieldsOf(e *directory.Entry) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(newNodeView(e))
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(b, &fields)
}

// objectOf is a node's JSON with the named fields only, in their order; nil: all.
func objectOf(e *directory.Entry, columns []string) (json.RawMessage, error) {
	if len(columns) == 0 {
		return json.Marshal(newNodeView(e))
	}
	fields, err := fieldsOf(e)
	if err != nil {
		return nil, err
	}
	out := []byte{'{'}
	for _, name := range columns {
		value, ok := fields[name]
		if !ok { // it does not apply
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), '"', ':')
		out = append(out, value...)
	}
	return append(out, '}'), nil
}

// plainText is a field as CSV has it: the same as in JSON, without quotes; empty for null.
func plainText(raw json.RawMessage) string {
	var s string
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return ""
	case json.Unmarshal(raw, &s) == nil:
		return s
	}
	return string(raw)
}

// cellsOf are the fields of a node for people.
func cellsOf(e *directory.Entry, columns []string, now time.Time) ([]cell, error) {
	var fields map[string]json.RawMessage
	row := make([]cell, len(columns))
	for i, name := range columns {
		show, known := shown[name]
		if known {
			row[i] = show(e, now)
		} else {
			if fields == nil {
				var err error
				if fields, err = fieldsOf(e); err != nil {
					return nil, err
				}
			}
			row[i] = cell{text: plainText(fields[name])}
		}
		if row[i].text == "" {
			row[i] = cell{text: "-", colour: dim}
		}
		row[i].right = rightward(name)
	}
	return row, nil
}

// rightward reports whether a column holds numbers.
func rightward(name string) bool {
	return slices.Contains([]string{"credit", "decommissions", "registered", "since", "last_reward", "unlock_height", "latency", "loss",
		"stake", "required", "reserved", "operator_fee", "score", "proof", "first_seen", "last_seen", "as"}, name)
}

// shown are the fields that people want otherwise than machines.
var shown = map[string]func(*directory.Entry, time.Time) cell{
	"key":          func(e *directory.Entry, _ time.Time) cell { return cell{text: shortKey(e.Node.Key)} },
	"state":        func(e *directory.Entry, _ time.Time) cell { return stateCell(e.Node.State) },
	"swarm":        func(e *directory.Entry, _ time.Time) cell { return cell{text: swarmID(e.Node.Swarm)} },
	"credit":       func(e *directory.Entry, _ time.Time) cell { return creditCell(&e.Node) },
	"proof":        func(e *directory.Entry, now time.Time) cell { return cell{text: ago(e.Node.Proof, now)} },
	"first_seen":   func(e *directory.Entry, now time.Time) cell { return cell{text: ago(e.Node.FirstSeen.Time, now)} },
	"last_seen":    func(e *directory.Entry, now time.Time) cell { return cell{text: ago(e.Node.LastSeen.Time, now)} },
	"reachable":    func(e *directory.Entry, _ time.Time) cell { return healthCell(e.Reachable()) },
	"latency":      func(e *directory.Entry, _ time.Time) cell { return cell{text: latencyText(e.Estimate.P50)} },
	"loss":         func(e *directory.Entry, _ time.Time) cell { return lossCell(&e.Estimate) },
	"operator_fee": func(e *directory.Entry, _ time.Time) cell { return cell{text: feeText(e.Node.OperatorFee)} },
	"stake":        func(e *directory.Entry, _ time.Time) cell { return cell{text: coins(e.Node.Contributed)} },
	"required":     func(e *directory.Entry, _ time.Time) cell { return cell{text: coins(e.Node.Required)} },
	"reserved":     func(e *directory.Entry, _ time.Time) cell { return cell{text: coins(e.Node.Reserved)} },
	"operator":     func(e *directory.Entry, _ time.Time) cell { return cell{text: shortened(e.Node.Operator)} },
	"ports":        func(e *directory.Entry, _ time.Time) cell { return cell{text: portsText(&e.Node)} },
	"reasons":      func(e *directory.Entry, _ time.Time) cell { return cell{text: strings.Join(e.Node.Reasons, " ")} },
	"ed25519":      func(e *directory.Entry, _ time.Time) cell { return cell{text: optional(keyOf(e.Node.Ed25519))} },
	"x25519":       func(e *directory.Entry, _ time.Time) cell { return cell{text: optional(keyOf(e.Node.X25519))} },
	"last_reward":  func(e *directory.Entry, _ time.Time) cell { return cell{text: fmt.Sprint(e.Node.LastReward)} },
	"contributors": func(e *directory.Entry, _ time.Time) cell { return cell{text: fmt.Sprint(len(e.Node.Contributors))} },
	"storage_reach": func(e *directory.Entry, now time.Time) cell {
		return cell{text: reachText(e.Node.StorageReach, now)}
	},
	"lokinet_reach": func(e *directory.Entry, now time.Time) cell {
		return cell{text: reachText(e.Node.LokinetReach, now)}
	},
	"place": func(e *directory.Entry, _ time.Time) cell { return cell{text: placeText(e.Place)} },
	"score": func(e *directory.Entry, _ time.Time) cell {
		value, _ := directory.Score(e)
		return cell{text: fmt.Sprintf("%.2f", value)}
	},
	"verdict": func(e *directory.Entry, _ time.Time) cell { return cell{text: verdictText(e.Verdict)} },
	"estimate": func(e *directory.Entry, now time.Time) cell {
		if e.Estimate.Tried == 0 {
			return cell{}
		}
		return cell{text: fmt.Sprintf("%d checks, the last %s ago", e.Estimate.Tried, ago(e.Estimate.At, now))}
	},
}

// shortKey is how much of a key tells it from others; every command takes it for the key.
func shortKey(k directory.Key) string { return k.String()[:12] }

// shortened is an address that people only recognise.
func shortened(s string) string {
	if len(s) <= 16 {
		return s
	}
	return s[:8] + "…" + s[len(s)-4:]
}

func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func stateCell(s directory.State) cell {
	colour := map[directory.State]string{
		directory.Active: green, directory.Awaiting: dim, directory.Decommissioned: red, directory.Unlocking: yellow, directory.Gone: dim,
	}[s]
	return cell{text: string(s), colour: colour}
}

func healthCell(h directory.Health) cell {
	colour := map[directory.Health]string{directory.Up: green, directory.Down: red, directory.Unknown: dim}[h]
	return cell{text: string(h), colour: colour}
}

func creditCell(n *directory.Node) cell {
	c := cell{text: fmt.Sprint(n.Credit)}
	switch {
	case n.State == directory.Awaiting || n.State == directory.Gone:
		c.colour = dim
	case n.Credit < directory.CreditLeast:
		c.colour = red
	}
	return c
}

func lossCell(e *directory.Estimate) cell {
	if e.Tried == 0 {
		return cell{}
	}
	share, _, _ := e.Loss()
	c := cell{text: fmt.Sprintf("%.0f %%", 100*share)}
	if share > 0 {
		c.colour = yellow
	}
	return c
}

// latencyText is empty for what was not measured.
func latencyText(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

// ago is how long something is past; empty for never.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return span(now.Sub(t))
}

// span is a duration as people say it, in its largest unit or two.
func span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	switch minutes := int(d / time.Minute); {
	case minutes < 2:
		return sign + fmt.Sprintf("%ds", int(d/time.Second))
	case minutes < 2*60:
		return sign + fmt.Sprintf("%dm", minutes)
	case minutes < 2*24*60:
		return sign + fmt.Sprintf("%dh%02dm", minutes/60, minutes%60)
	default:
		return sign + fmt.Sprintf("%dd%02dh", minutes/(24*60), minutes/60%24)
	}
}

func feeText(portions uint64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*float64(portions)/float64(directory.FeeAll)), ".0") + " %"
}

// coins writes an atomic amount in whole coins.
func coins(atomic uint64) string {
	s := fmt.Sprintf("%d.%09d", atomic/1e9, atomic%1e9)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

func portsText(n *directory.Node) string {
	if n.StoragePort == 0 && n.OMQPort == 0 && n.QuorumnetPort == 0 {
		return ""
	}
	return fmt.Sprintf("storage %d, OMQ %d, quorumnet %d", n.StoragePort, n.OMQPort, n.QuorumnetPort)
}

// reachText tells "not observed" from "down".
func reachText(r directory.Reach, now time.Time) string {
	switch {
	case !r.Known:
		return "not observed"
	case r.OK:
		return "up, last reached " + span(now.Sub(r.LastReachable)) + " ago"
	case r.FirstUnreachable.IsZero():
		return "down"
	}
	return "down for " + span(now.Sub(r.FirstUnreachable))
}

func placeText(p directory.Place) string {
	if p.Country == "" && p.AS == 0 {
		return "unknown: " + p.CountryUnknown
	}
	country, as := p.Country, "AS unknown: "+p.ASUnknown
	if country == "" {
		country = "country unknown: " + p.CountryUnknown
	}
	if p.AS != 0 {
		as = strings.TrimSpace(fmt.Sprintf("AS%d %s", p.AS, p.ASName))
	}
	return country + ", " + as
}

func verdictText(v directory.Verdict) string {
	if v.Voters == 0 && len(v.Offline) == 0 {
		return ""
	}
	s := fmt.Sprintf("%s: reached from %d of %d vantage points", v.Health, v.Ups, v.Voters)
	if v.Downs > 0 {
		s += fmt.Sprintf(", not from %d", v.Downs)
	}
	if len(v.Offline) > 0 {
		s += "; not counted, since nearly everything fails for them: " + strings.Join(v.Offline, ", ")
	}
	return s
}

// several says how many there are of something.
func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
