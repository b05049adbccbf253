package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// outcomeTimeout is how long trigger waits for the server to work on what it was sent.
const outcomeTimeout = 10 * time.Second

// trigger plays a provider.
type trigger struct {
	samples fs.FS
	url     string
	secret  string
	file    string
	count   int
	repeat  bool
}

func newTrigger(samples fs.FS) *cobra.Command {
	t := &trigger{samples: samples}
	cmd := &cobra.Command{
		Use:   "trigger [<provider>/<event type>]",
		Short: "Sign a sample webhook and send it as the provider would",
		Long: `Signs a payload of testdata with the server's own secret and sends it as the provider would. Prints the answer and the
customer it led to. Each event gets a new ID and the present time, unless --repeat sends the sample as it is.

Without an argument it lists what it can send.`,
		Example: `  go run . trigger trustgate/applicant.reviewed
  go run . trigger trustgate/v1/case.created --count 3
  go run . trigger trustgate --file my-payload.json
  go run . trigger trst/enrollment.completed --url https://example.ngrok.app --secret whsec_…`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: t.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return t.run(cmd.Context(), args[0], cmd.OutOrStdout())
			case t.file != "":
				return errors.New("--file wants to know whose it is: trigger <provider> --file " + t.file)
			}
			return t.list(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&t.url, "url", "", "send to this server instead of the one at ADDR; with or without /webhooks")
	cmd.Flags().StringVar(&t.secret, "secret", "", "sign with this secret instead of the configured one")
	cmd.Flags().StringVar(&t.file, "file", "", "send the body in this file, byte for byte")
	cmd.Flags().IntVar(&t.count, "count", 1, "send so many events")
	cmd.Flags().BoolVar(&t.repeat, "repeat", false, "keep the sample's ID and times: the second time it is a duplicate")
	return cmd
}

func (t *trigger) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, err := sampleNames(t.samples)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (t *trigger) list(w io.Writer) error {
	names, err := sampleNames(t.samples)
	for _, name := range names {
		fmt.Fprintln(w, name)
	}
	return err
}

func (t *trigger) run(ctx context.Context, name string, w io.Writer) error {
	if t.count < 1 {
		return fmt.Errorf("--count is %d: want 1 or more", t.count)
	}
	c, err := app.LoadConfig()
	if err != nil {
		return err
	}
	name, body, err := t.body(name)
	if err != nil {
		return err
	}
	p, err := t.provider(c, name)
	if err != nil {
		return err
	}
	base, err := t.base(c)
	if err != nil {
		return err
	}
	for range t.count {
		if err := t.send(ctx, w, p, base, name, body, newAdminClient(c)); err != nil {
			return err
		}
	}
	return nil
}

// body returns the full name of what is to be sent, and its bytes.
func (t *trigger) body(name string) (string, []byte, error) {
	if t.file == "" {
		return findSample(t.samples, name)
	}
	body, err := os.ReadFile(t.file)
	if err != nil {
		return "", nil, fmt.Errorf("--file: %w", err)
	}
	return name, body, nil
}

// provider returns the provider that name begins with, with the secret to sign with.
func (t *trigger) provider(c app.Config, name string) (handlers.Provider, error) {
	provider, _, _ := strings.Cut(name, "/")
	if !slices.Contains(handlers.ProviderNames(), provider) {
		return nil, fmt.Errorf("unknown provider %q: want %s", provider, strings.Join(handlers.ProviderNames(), ", "))
	}
	secrets := c.Secrets[provider]
	if t.secret != "" {
		secrets = []string{t.secret}
	}
	p, err := handlers.NewProvider(provider, secrets, c.Settings())
	if err != nil {
		return nil, fmt.Errorf("%w: set %s or --secret", err, secretName(provider))
	}
	return p, nil
}

func secretName(provider string) string { return strings.ToUpper(provider) + "_WEBHOOK_SECRET" }

func (t *trigger) base(c app.Config) (string, error) {
	if t.url == "" {
		return "http://" + reachable(c.Addr) + "/webhooks/", nil
	}
	u, err := url.Parse(t.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("--url is %q: want http://host or https://host", t.url)
	}
	u.Path, _, _ = strings.Cut(u.Path, "/webhooks")
	return strings.TrimSuffix(u.String(), "/") + "/webhooks/", nil
}

// send delivers one event and prints what came of it.
func (t *trigger) send(ctx context.Context, w io.Writer, p handlers.Provider, base, name string, body []byte, admin *adminClient) error {
	now := time.Now()
	if !t.repeat && t.file == "" {
		var err error
		if body, err = renew(body, now); err != nil {
			return fmt.Errorf("renew %s: %w", name, err)
		}
	}
	provider, _, _ := strings.Cut(name, "/")
	signed := p.Sign(body, now)
	status, answer, err := post(ctx, base+signed.Path, signed.Header, body)
	if err != nil {
		return fmt.Errorf("send to %s%s: %w (is the server running? start it with: go run .)", base, provider, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s%s answers %s%s", base, provider, answer, advice(status, provider))
	}
	fmt.Fprintf(w, "%s → %s\n", name, answer)
	token, err := url.PathUnescape(strings.TrimPrefix(strings.TrimPrefix(signed.Path, provider), "/"))
	if err != nil {
		return fmt.Errorf("read path token: %w", err)
	}
	env, err := p.Verify(handlers.Delivery{Header: signed.Header, Token: token, Body: body, ReceivedAt: now})
	if err != nil && !errors.Is(err, handlers.ErrContradictory) { // that one is quarantined under its ID
		return fmt.Errorf("%s is stored as failed, since it cannot be read: %w", name, err)
	}
	return t.outcome(ctx, w, admin, provider, env.ExternalID)
}

// outcome waits until the server has worked on the event, and prints the customer it led to.
func (t *trigger) outcome(ctx context.Context, w io.Writer, admin *adminClient, provider, externalID string) error {
	ctx, cancel := context.WithTimeout(ctx, outcomeTimeout)
	defer cancel()
	query := "/api/events?" + url.Values{"provider": {provider}, "external_id": {externalID}}.Encode()
	for {
		var list struct{ Events []models.Event }
		if err := admin.get(ctx, query, &list); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("the event was accepted, but not processed within %s", outcomeTimeout)
			}
			fmt.Fprintf(w, "  what came of it cannot be shown: %v\n", err)
			return nil
		}
		if len(list.Events) == 0 { // an answer of 200 means that it is stored
			fmt.Fprintf(w, "  what came of it cannot be shown: %s is the admin API of another server (see ADMIN_ADDR)\n", admin.base)
			return nil
		}
		if e := list.Events[0]; e.Status != models.Received && e.Status != models.Queued {
			return t.printOutcome(ctx, w, admin, e)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (t *trigger) printOutcome(ctx context.Context, w io.Writer, admin *adminClient, e models.Event) error {
	fmt.Fprintf(w, "  event %d: %s", e.ID, e.Status)
	if e.Outcome != "" {
		fmt.Fprintf(w, ", %s", e.Outcome)
	}
	if e.LastError != "" {
		fmt.Fprintf(w, ": %s", e.LastError)
	}
	fmt.Fprintln(w)
	if e.CustomerID == nil {
		return nil
	}
	var c models.Customer
	if err := admin.get(ctx, fmt.Sprintf("/api/customers/%d", *e.CustomerID), &c); err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "  ", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  customer %s\n", text)
	return nil
}
