package cli

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"example.com/identity-webhooks/app"
)

// checkNgrok checks where the tunnel of a running ngrok leads. It returns its public URL; empty where there is none.
func (d *doctor) checkNgrok(ctx context.Context, addr string) (public string, checks []app.Check) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil
	}
	public, err = findTunnel(ctx, d.ngrokAPI, port)
	check := app.Check{Name: "ngrok", Result: app.Fine}
	other, elsewhere := errors.AsType[otherTunnels](err)
	switch {
	case errors.Is(err, errNoNgrok):
		check.Says = "no agent runs; it is only for receiving from providers on your own machine"
	case elsewhere:
		check.Result, check.Says, check.Do = app.Warning, other.Error(), "ngrok http "+port
	case err != nil:
		check.Result, check.Says, check.Do = app.Warning, err.Error(), "see what listens there"
	default:
		check.Says = public + " leads to port " + port
	}
	return public, []app.Check{check}
}

// checkPublicURL checks the URL that providers are told, if there is one, and that it is the tunnel's where it is one of ngrok.
func checkPublicURL(public, tunnel string) []app.Check {
	if public == "" {
		return nil
	}
	check := app.Check{Name: "PUBLIC_URL", Result: app.Fine, Says: "it is an https URL"}
	u, err := url.Parse(public)
	switch {
	case err != nil || u.Host == "":
		check.Result, check.Says, check.Do = app.Problem, "it is no URL", "set it to https://host"
	case u.Scheme != "https":
		check.Result, check.Says, check.Do = app.Warning, "it does not begin with https://", "providers send to https only, and the payload is about people"
	case tunnel != "" && strings.Contains(u.Host, "ngrok") && !strings.HasPrefix(tunnel, "https://"+u.Host):
		check.Result, check.Says, check.Do = app.Warning, "the ngrok tunnel is "+tunnel, "set PUBLIC_URL to that, and tell the providers"
	}
	return []app.Check{check}
}
