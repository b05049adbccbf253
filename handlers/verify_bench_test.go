package handlers

import (
	"net/http"
	"testing"
	"time"
)

// BenchmarkVerify measures a signature check with the reading of the envelope.
func BenchmarkVerify(b *testing.B) {
	p := mustProvider(b, "trustgate", documented, trustGateSecret)
	at := time.Now()
	signed := p.Sign([]byte(tgReviewed), at)
	h := http.Header{"X-Webhook-Timestamp": signed.Header["X-Webhook-Timestamp"], "X-Webhook-Signature": signed.Header["X-Webhook-Signature"]}
	d := Delivery{Header: h, Body: []byte(tgReviewed), ReceivedAt: at}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Verify(d); err != nil {
			b.Fatal(err)
		}
	}
}
