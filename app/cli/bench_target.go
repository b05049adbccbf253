package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/bench"
	"example.com/identity-webhooks/handlers"
)

// running prepares for the server at --url.
func (b *benchmark) running(o *bench.Options) error {
	u, err := serverAt("url", b.url)
	if err != nil {
		return err
	}
	o.URL = u.String()
	c, err := loadConfig()
	if err != nil {
		return err
	}
	if b.admin != "" {
		c.AdminAddr = b.admin
	}
	for _, name := range b.names() {
		if o.Providers[name], err = handlers.NewProvider(name, c.Secrets[name], c.Settings()); err != nil {
			return fmt.Errorf("%w: set %s to that of the server", err, app.SecretName(name))
		}
	}
	o.Server, o.AdminAddr, o.Admin = u.Redacted(), c.AdminAddr, adminAt(c.AdminPassword)
	ip := net.ParseIP(u.Hostname())
	o.Baseline = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() // another machine has another speed
	o.Asynq, o.RedisURL = b.redis != "", b.redis
	return nil
}

// adminAt calls the admin API at an address.
func adminAt(password string) func(addr string) bench.Get {
	return func(addr string) bench.Get {
		return newAdminClient(app.Config{AdminAddr: addr, AdminPassword: password}).get
	}
}

// own prepares a server that bench starts. What it returns removes the files of that.
func (b *benchmark) own(o *bench.Options, show *progress) (clean func() error, err error) {
	if err := os.MkdirAll("data", 0o750); err != nil {
		return nil, err
	}
	// Not in the system's temporary folder, which may be in memory, where syncing costs nothing.
	dir, err := os.MkdirTemp("data", "bench-*")
	if err != nil {
		return nil, err
	}
	clean = func() error { return os.RemoveAll(dir) }
	database, redis := orVariable(b.database, "DATABASE_URL"), orVariable(b.redis, "REDIS_URL")
	o.Server = "a server of its own"
	if database != "" {
		show.warn("the events are added to the database of DATABASE_URL or --database, and stay there")
		o.Server += " on the given database"
	} else {
		database = "sqlite:" + filepath.Join(dir, "bench.db")
		o.Server += " on a fresh SQLite file"
	}
	if redis == "" {
		o.Server += ", with the embedded queue"
	} else {
		o.Server += " and the given Redis"
	}
	o.Baseline, o.Asynq, o.RedisURL, o.Dir, o.Admin = true, true, redis, dir, adminAt("")
	o.Environ = inherited(os.Environ())
	if path, isSQLite := strings.CutPrefix(database, "sqlite:"); isSQLite {
		if path, err = filepath.Abs(path); err != nil {
			return nil, errors.Join(err, clean())
		}
		database = "sqlite:" + path
	}
	o.Environ = append(o.Environ, "ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=warn", "DATABASE_URL="+database, "REDIS_URL="+redis)
	for _, name := range b.names() {
		secret := "bench_" + rand.Text()
		o.Environ = append(o.Environ, app.SecretName(name)+"="+secret)
		if o.Providers[name], err = handlers.NewProvider(name, []string{secret}, handlers.Settings{}); err != nil {
			return nil, errors.Join(err, clean())
		}
	}
	return clean, nil
}

func orVariable(flag, name string) string {
	if flag != "" {
		return flag
	}
	return os.Getenv(name)
}

// inherited are the variables that a server for measuring gets of ours: those of the machine, of Go's runtime and of Postgres'
// client. No other: what configures the app, and makes it tell others of its customers, is not for made-up ones.
func inherited(environ []string) []string {
	return slices.DeleteFunc(environ, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		for _, prefix := range []string{"GO", "PG", "SSL_"} {
			if strings.HasPrefix(name, prefix) {
				return false
			}
		}
		return !slices.Contains([]string{"PATH", "HOME", "USER", "TMPDIR", "SystemRoot"}, name)
	})
}
