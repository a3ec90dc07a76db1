package ons

import "strings"

// confusable are pairs that look alike in one font or another. The ones of several letters are what checks of single
// characters miss.
var confusable = [...][2]string{
	{"rn", "m"}, {"vv", "w"}, {"cl", "d"},
	{"0", "o"}, {"1", "l"}, {"1", "i"}, {"l", "i"}, {"-", "_"},
	{"5", "s"}, {"2", "z"}, {"8", "b"}, {"9", "g"}, {"g", "q"}, {"u", "v"}, {"nn", "m"},
}

// Lookalikes returns at most limit names of n's type that are easily taken for n, those with the fewest differences
// first, n itself not among them, each once and in an order that depends on n and limit only. The chain holds hashes, so the only
// way to find registered ones is to look every one up: at an own index, since who is asked for all of them
// knows n. Punycode is not read: of xn-- names there are none.
func Lookalikes(n Name, limit int) []Name {
	if strings.HasPrefix(n.s, punycodeLabel) {
		return nil
	}
	seen := map[Name]bool{n: true}
	var out []Name
	for queue := []Name{n}; len(queue) > 0; queue = queue[1:] {
		for _, next := range changed(queue[0]) {
			if len(out) >= limit {
				return out
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			out, queue = append(out, next), append(queue, next)
		}
	}
	return out
}

// changed returns the names that are one confusion away from n.
func changed(n Name) (out []Name) {
	text, tail := n.s, ""
	if n.t == Lokinet {
		text, tail = strings.TrimSuffix(n.s, suffix), suffix
	}
	for i := range len(text) {
		for _, pair := range confusable {
			for _, from := range [2]int{0, 1} {
				rest, ok := strings.CutPrefix(text[i:], pair[from])
				if !ok {
					continue
				}
				// What breaks a rule of names cannot be registered.
				if c, err := ParseName(n.t, text[:i]+pair[1-from]+rest+tail); err == nil {
					out = append(out, c)
				}
			}
		}
	}
	return out
}
