package handlers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
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
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, DisableCompression: true}}
			b.Cleanup(client.CloseIdleConnections)
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var running sync.WaitGroup
			spent := processorTime(b)
			for range conns {
				running.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N) && !b.Failed(); i = next.Add(1) - 1 {
						start := time.Now()
						if err := deliverNew(client, server.URL); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(start)
					}
				})
			}
			running.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
			b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(b.N), "cpu-µs/ack")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
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

// deliverNew delivers a new event, which the server must acknowledge.
func deliverNew(client *http.Client, server string) error {
	body := fmt.Sprintf(`{"id":"7b1e4c52-90ad-4f0e-8a35-%012x","type":"person.verified","at":"2026-02-04T11:59:00Z","tenant":"t1","data":"%s"}`,
		eventNumber.Add(1), strings.Repeat("x", 474-122))
	r, err := http.NewRequest(http.MethodPost, server+"/webhooks/testprovider", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Test-Signature", hex.EncodeToString(macOf(SHA256, firstSecret, body)))
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || string(text) != string(accepted) {
		return errors.Join(err, fmt.Errorf("answered %s %q", answer.Status, text))
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

// BenchmarkMetrics measures what the metrics of one accepted delivery cost. Compare it with cpu-µs/ack of BenchmarkReceive.
func BenchmarkMetrics(b *testing.B) {
	m, provider, spent := newMetrics(), ProviderNames()[0], processorTime(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			received := time.Now()
			m.count(provider, resultAccepted)
			m.acknowledgement.Observe(time.Since(received).Seconds())
		}
	})
	b.ReportMetric(float64((processorTime(b)-spent).Nanoseconds())/float64(b.N)/1000, "cpu-µs/ack")
}
