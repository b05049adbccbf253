package handlers

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// BenchmarkReceive measures acknowledged deliveries, each a new event of 474 bytes, committed and synced, through a real server on
// loopback. The load comes from the same cores. Compare it with BenchmarkBareHMAC in the same run.
func BenchmarkReceive(b *testing.B) {
	for _, back := range []struct {
		name string
		url  func(testing.TB) string
	}{
		{"sqlite", sqliteURL},
		{"postgres", func(t testing.TB) string { return testservers.NewPostgres(t).URL() }}, // that of DatabaseURL does not sync
	} {
		b.Run(back.name, func(b *testing.B) {
			log := slog.New(slog.DiscardHandler)
			store := openStore(b, back.url(b))
			queueOf := func(string, string, string) string { return models.DefaultQueue }
			receiver := NewReceiver(store, queueOf, func() {}, &Rejections{}, log)
			benchmarkAt(b, NewRouter(receiver, map[string]Provider{"testprovider": testProvider()}, store.Ready, log))
		})
	}
}

// BenchmarkBareHMAC is the baseline: net/http and the same HMAC over the same body, and nothing else.
func BenchmarkBareHMAC(b *testing.B) {
	benchmarkAt(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		h := hmac.New(sha256.New, []byte(firstSecret))
		h.Write(body)
		if mac, hexErr := hex.DecodeString(r.Header.Get("X-Test-Signature")); errors.Join(err, hexErr) != nil || !hmac.Equal(mac, h.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(accepted)
	}))
}

// eventNumber makes each delivery of a run a new event.
var eventNumber atomic.Int64

// benchmarkAt sends b.N deliveries over 1 and over 32 connections.
func benchmarkAt(b *testing.B, h http.Handler) {
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	for _, conns := range []int{1, 32} {
		b.Run(fmt.Sprintf("connections=%d", conns), func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			latencies := make([][]time.Duration, conns)
			var running sync.WaitGroup
			spent := processorTime(b)
			for i := range conns {
				running.Go(func() {
					if err := sendWhile(server.Listener.Addr(), func() bool { return left.Add(-1) >= 0 }, &latencies[i]); err != nil {
						b.Error(err)
					}
				})
			}
			running.Wait()
			all := slices.Concat(latencies...)
			slices.Sort(all)
			b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "acks/s")
			b.ReportMetric(float64((processorTime(b)-spent).Nanoseconds())/1000/float64(len(all)), "cpu-µs/ack")
			if len(all) > 0 {
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
			}
		})
	}
}

// processorTime is what this process has spent, as sender and server. It says more than the rate if others use the machine.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sendWhile makes deliveries over one connection, each when the one before is acknowledged. It writes and reads HTTP by hand, since
// net/http's client costs more than its server.
func sendWhile(server net.Addr, more func() bool, latencies *[]time.Duration) (err error) {
	conn, err := net.Dial(server.Network(), server.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	answers := bufio.NewReader(conn)
	for more() {
		body := fmt.Sprintf(`{"id":"7b1e4c52-90ad-4f0e-8a35-%012x","type":"person.verified","at":"2026-02-04T11:59:00Z","tenant":"t1","data":"%s"}`,
			eventNumber.Add(1), strings.Repeat("x", 474-122))
		request := "POST /webhooks/testprovider HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Test-Signature: " +
			hex.EncodeToString(macOf(SHA256, firstSecret, body)) + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
		start := time.Now()
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
		if err := readAcknowledgement(answers); err != nil {
			return err
		}
		*latencies = append(*latencies, time.Since(start))
	}
	return nil
}

// readAcknowledgement reads an answer and wants it to be the one for a new event.
func readAcknowledgement(r *bufio.Reader) error {
	status, err := r.ReadString('\n')
	for line := status; err == nil && line != "\r\n"; {
		line, err = r.ReadString('\n')
	}
	body := make([]byte, len(accepted))
	if _, readErr := io.ReadFull(r, body); errors.Join(err, readErr) != nil || status != "HTTP/1.1 200 OK\r\n" || string(body) != string(accepted) {
		return fmt.Errorf("answered %q %q: %w", status, body, errors.Join(err, readErr))
	}
	return nil
}

// BenchmarkVerify measures a signature check with the reading of the envelope.
func BenchmarkVerify(b *testing.B) {
	p := testProvider()
	q := p.Sign([]byte(testBody), noon)
	d := Delivery{Header: q.Header, Body: q.Body, ReceivedAt: noon}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Verify(d); err != nil {
			b.Fatal(err)
		}
	}
}
