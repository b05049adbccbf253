package cli

import (
	"encoding/json"
	"testing"

	"example.com/identity-webhooks/models"
)

func TestSubscriptionsDeliveries(t *testing.T) {
	d := newProvidersDouble(t)
	write(t, ".env", "TRST_WEBHOOK_SECRET=s\n")
	succeed(t, "subscriptions", "create", "trst")
	admin := serverHere(t)
	succeed(t, "trigger", "trst/webhook.test")
	var list struct{ Events []models.Event }
	if err := admin.get(t.Context(), "/api/events", &list); err != nil || len(list.Events) != 1 {
		t.Fatal(err, list)
	}
	received := list.Events[0].ExternalID
	d.events = []string{received, "5d8c0a17-6e3b-4f92-9a04-b7e1d2c6f358"}
	prints(t, "DELIVERY    EVENT                                 STATUS  ATTEMPTS  ABSENT\n"+
		"delivery_1  "+received+"  failed  503       -\n"+
		"delivery_2  5d8c0a17-6e3b-4f92-9a04-b7e1d2c6f358  failed  503       -\n"+
		"delivery_0  -                                     -       503       event_id,status\n", "subscriptions", "deliveries", "trst")

	r := execute(t, "subscriptions", "deliveries", "trst", "webhook_1", "--missing", "--json")
	var missing deliveriesList
	if err := json.Unmarshal([]byte(r.stdout), &missing); err != nil {
		t.Fatal(err)
	}
	if len(missing.Deliveries) != 2 || missing.Deliveries[0].ID != "delivery_2" || missing.Deliveries[1].ID != "delivery_0" || r.code != exitError ||
		r.stderr != "error: 2 deliveries without an event here: never received, or their event_id is not said\n" {
		t.Errorf("%+v", r)
	}
}
