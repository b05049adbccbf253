package testservers

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// send signals one process. One that is gone is no error.
func send(sig syscall.Signal, pid int) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// sendFamily signals a process and then its children, and returns them all. Postgres has a child for each connection, in a
// session of its own, so that no process group holds them. It looks for children until there are no new ones: the signal may
// have come while one was being made.
func sendFamily(sig syscall.Signal, parent int) ([]int, error) {
	var family []int
	sent := map[int]bool{}
	for next := []int{parent}; len(next) > 0; {
		for _, pid := range next {
			if err := send(sig, pid); err != nil {
				return nil, err
			}
			sent[pid] = true
		}
		family = append(family, next...)

		found, err := children(parent)
		if err != nil {
			return nil, err
		}
		next = next[:0]
		for _, pid := range found {
			if !sent[pid] {
				next = append(next, pid)
			}
		}
	}
	return family, nil
}

func children(parent int) ([]int, error) {
	table, err := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []int
	for line := range strings.Lines(string(table)) {
		var pid, ppid int
		if _, err := fmt.Sscan(line, &pid, &ppid); err != nil {
			return nil, fmt.Errorf("list processes: %w in %q", err, line)
		}
		if ppid == parent {
			found = append(found, pid)
		}
	}
	return found, nil
}
