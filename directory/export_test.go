package directory

import "context"

// RecordFrom is what a report of a prober comes to.
func (d *Directory) RecordFrom(ctx context.Context, vantage string, sequence uint64, checks []Check) error {
	return d.record(ctx, vantage, sequence, checks)
}
