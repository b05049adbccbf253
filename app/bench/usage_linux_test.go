package bench

import (
	"os"
	"testing"
)

// Elsewhere nothing is known.
func TestUsage(t *testing.T) {
	t.Parallel()
	u, known := usageOf(os.Getpid())
	if !known || u.peakBytes < 1<<20 || u.peakBytes > 1<<34 {
		t.Errorf("this process takes %+v, known is %t", u, known)
	}
	if _, known := usageOf(-1); known {
		t.Error("something is known of a process that cannot be")
	}
}
