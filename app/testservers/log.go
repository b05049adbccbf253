package testservers

import "bytes"

// logSize is how much of a server's log is kept, in bytes: a benchmark may make it write a lot.
const logSize = 64 << 10

// log keeps the end of a server's output. As an error it reads as that output, which is for when the server is dead: until
// then the output is still being written.
type log struct {
	text []byte
	want []byte
	seen chan struct{} // closed once want has been written
}

func newLog(want string) *log {
	return &log{want: []byte(want), seen: make(chan struct{})}
}

func (l *log) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if l.want != nil && bytes.Contains(l.text, l.want) {
		l.want = nil
		close(l.seen)
	}
	if over := len(l.text) - logSize; over > 0 {
		l.text = bytes.Clone(l.text[over:])
	}
	return len(p), nil
}

func (l *log) Error() string { return "its log:\n" + string(l.text) }
