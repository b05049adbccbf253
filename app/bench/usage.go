package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of the times in /proc: Linux shows all programs hundredths of a second.
const tick = 10 * time.Millisecond

// usage is what a process has taken: processor time, and memory at its peak.
type usage struct {
	cpu       time.Duration
	peakBytes int64
}

// usageOf reads what a process has taken so far. It knows only on Linux.
func usageOf(pid int) (u usage, known bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, false
	}
	// The name, in parentheses, may hold anything. The 12th and 13th fields after it are the time as a user and in the kernel.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return u, false
	}
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return u, false
		}
		u.cpu += time.Duration(n) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, false
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	var kibibytes int64
	if _, err := fmt.Sscanf(string(rest), "%d kB", &kibibytes); err != nil {
		return u, false
	}
	u.peakBytes = kibibytes << 10
	return u, true
}
