package handlers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// dial opens a connection to the server.
func (r *reception) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	return conn
}

// readReply reads an answer, and whether the connection ends with it.
func readReply(t testing.TB, conn net.Conn) reply {
	t.Helper()
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, string(text), resp.Header, resp.Close}
}

// TestWritingAllBeforeReading: a client that sends the whole body before it reads gets its answer, and no broken connection.
func TestWritingAllBeforeReading(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path   string
		size   int
		status int
		body   string
	}{
		"a byte too large":          {"testprovider", MaxBody + 1, 413, `{"error":"body_too_large"}`},
		"20 MiB":                    {"testprovider", 20 << 20, 413, `{"error":"body_too_large"}`},
		"20 MiB to an unknown path": {"nowhere", 20 << 20, 404, isNotFound},
		"1 MiB unsigned":            {"testprovider", MaxBody, 401, isUnverified},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %t", name, chunked), func(t *testing.T) {
				t.Parallel()
				r := newReception(t, openStore(t, sqliteURL(t)), nil)
				conn, body := r.dial(), strings.Repeat(" ", c.size)
				head, tail := fmt.Sprintf("Content-Length: %d\r\n\r\n", c.size), ""
				if chunked {
					head, tail = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", c.size), "\r\n0\r\n\r\n"
				}
				if _, err := io.WriteString(conn, "POST /webhooks/"+c.path+" HTTP/1.1\r\nHost: x\r\nX-Test-Signature: "+strings.Repeat("00", 32)+"\r\n"+head+body+tail); err != nil {
					t.Fatal(err)
				}
				got := readReply(t, conn)
				got.want(t, c.status, c.body)
				if recorded := r.rejections.Total(); recorded != 1 {
					t.Errorf("recorded %d times", recorded)
				}
				if n := len(r.rows()); n != 0 || !got.closed {
					t.Errorf("%d rows; connection closed: %t", n, got.closed)
				}
			})
		}
	}
}

// TestAnswerBeforeTheEnd: a client that reads while it sends gets its answer at once, however much is to come.
func TestAnswerBeforeTheEnd(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	for _, head := range []string{"Content-Length: 2000000", "Content-Length: 2000000\r\nExpect: 100-continue"} {
		conn := r.dial()
		if _, err := fmt.Fprintf(conn, "POST /webhooks/testprovider HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", head); err != nil {
			t.Fatal(err)
		}
		readReply(t, conn).want(t, 413, `{"error":"body_too_large"}`)
	}
}

func TestLargestBody(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, nil)
		body := testBody + strings.Repeat(" ", MaxBody-len(testBody))
		r.deliver(body).want(t, 200, isAccepted)
		if got := string(r.rows()[0].Body); got != body {
			t.Errorf("stored %d bytes, want %d", len(got), len(body))
		}
	})
}

func TestBodyCutShort(t *testing.T) {
	t.Parallel()
	for _, size := range []int{len(testBody), MaxBody} { // read in one step, and in several
		r := newReception(t, openStore(t, sqliteURL(t)), nil)
		conn := r.dial()
		sent := strings.Repeat(" ", size/2)
		q := testProvider().Sign([]byte(sent), noon)
		fmt.Fprintf(conn, "POST /webhooks/testprovider HTTP/1.1\r\nHost: x\r\nX-Test-Signature: %s\r\nContent-Length: %d\r\n\r\n%s", q.Header.Get("X-Test-Signature"), size, sent)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got := readReply(t, conn)
		got.want(t, 400, `{"error":"body_unreadable"}`)
		if n := len(r.rows()); n != 0 || !got.closed {
			t.Errorf("%d rows; connection closed: %t", n, got.closed)
		}
		if log := r.log.String(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "delivery refused") {
			t.Errorf("logged %s", log)
		}
	}
}

func TestRejectionsAreKept(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	if got := r.rejections.Newest(); got == nil || len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	for i := range 140 {
		r.clock.Store(int64(i) * int64(time.Second)) // slow enough to be kept one by one
		r.deliver(testBody, forged, func(q *Request) { q.Header.Set("X-Forwarded-For", "203.0.113.7") })
	}
	r.deliver(testBody, func(q *Request) { q.Header.Del("X-Test-Signature") })
	r.deliver(testBody) // is not refused
	newest := r.rejections.Newest()
	if len(newest) != 100 || r.rejections.Total() != 141 {
		t.Fatalf("%d kept of %d, want 100 of 141", len(newest), r.rejections.Total())
	}
	last := noon.Add(139 * time.Second)
	for i, want := range []Rejection{
		{141, models.At(last), "testprovider", "127.0.0.1", MissingSignature},
		{140, models.At(last), "testprovider", "127.0.0.1", WrongSecret},
		{139, models.At(last.Add(-time.Second)), "testprovider", "127.0.0.1", WrongSecret},
	} {
		if newest[i] != want {
			t.Errorf("rejection %d: %+v, want %+v", i, newest[i], want)
		}
	}
}
