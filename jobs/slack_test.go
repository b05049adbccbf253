package jobs

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// TestSlackAlert shows that an alert names no person, and that an ID cannot act as markup.
func TestSlackAlert(t *testing.T) {
	t.Parallel()
	server, got := receiver(t, http.StatusOK)
	clients, err := NewClients(ClientConfig{SlackURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	rejected, heldOnly := verified(), verified()
	rejected.After.Status = models.StatusRejected
	rejected.After.SubjectID = "<!channel> & <https://evil.example|you>"
	heldOnly.After.AMLHold = true
	tests := map[string]struct {
		change models.Change
		want   string
	}{
		"rejected": {rejected, `Customer 12 (acme, subject &lt;!channel&gt; &amp; &lt;https://evil.example|you&gt;): status *rejected*, after event 34 (applicant.reviewed)`},
		"held":     {heldOnly, `Customer 12 (acme, subject sub_1): status *verified*, on *AML hold*, after event 34 (applicant.reviewed)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := clients.Slack.Alert(t.Context(), test.change); err != nil {
				t.Fatal(err)
			}
			var message struct{ Text string }
			if err := json.Unmarshal((<-got).body, &message); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, message.Text); diff != "" {
				t.Error(diff)
			}
		})
	}
}
