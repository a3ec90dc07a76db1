package main

import (
	"fmt"
	"math"
	"strings"

	"onsight/directory"
)

// sparkWidth is how many characters a history is drawn in at most.
const sparkWidth = 60

// sparkLevels are from nothing to everything; a gap is none of them.
var sparkLevels = []rune("▁▂▃▄▅▆▇█")

const sparkGap = '·'

// spark draws an object: each character is the mean of its share of the values, full height being top.
func spark(o directory.Object, top float64) string {
	var b strings.Builder
	width := min(len(o.Values), sparkWidth)
	for i := range width {
		share := o.Values[i*len(o.Values)/width : (i+1)*len(o.Values)/width]
		sum, n := 0.0, 0
		for _, v := range share {
			if v >= 0 {
				sum, n = sum+float64(v)*o.Factor, n+1
			}
		}
		switch {
		case n == 0:
			b.WriteRune(sparkGap)
		case top <= 0:
			b.WriteRune(sparkLevels[0])
		default:
			level := int(math.Round(sum / float64(n) / top * float64(len(sparkLevels)-1)))
			b.WriteRune(sparkLevels[min(max(level, 0), len(sparkLevels)-1)])
		}
	}
	return b.String()
}

// summary returns the mean and the largest of what was measured, and how many slots were.
func summary(o directory.Object) (mean, most float64, n int) {
	for _, v := range o.Values {
		if v >= 0 {
			x := float64(v) * o.Factor
			mean, most, n = mean+x, max(most, x), n+1
		}
	}
	return mean / float64(max(n, 1)), most, n
}

// historyLine draws an object and says in numbers what it shows.
func historyLine(s directory.Series, o directory.Object) string {
	mean, most, n := summary(o)
	if s == directory.UptimeSeries {
		return fmt.Sprintf("%s  %.1f %%, measured in %d of %d", spark(o, 1), 100*mean, n, o.Count)
	}
	return fmt.Sprintf("%s  up to %.0f ms", spark(o, most), 1000*most)
}
