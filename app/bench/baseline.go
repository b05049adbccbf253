package bench

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
)

// BaselineSecret is the key of the baseline, which has nothing to protect.
const BaselineSecret = "baseline"

// ServeBaseline answers deliveries that are signed as TrustGate signs, until ctx is done: net/http and one HMAC over the body,
// and nothing else. It is what the speed of the app is compared with.
func ServeBaseline(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: http.HandlerFunc(baseline), ReadHeaderTimeout: answerTimeout}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { stopped <- server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func baseline(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h := hmac.New(sha256.New, []byte(BaselineSecret))
	h.Write([]byte(r.Header.Get("X-Webhook-Timestamp") + "."))
	h.Write(body)
	mac, hexErr := hex.DecodeString(r.Header.Get("X-Webhook-Signature"))
	if errors.Join(err, hexErr) != nil || !hmac.Equal(mac, h.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"accepted"}`)) // a sender that is gone needs no answer
}
