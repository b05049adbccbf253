package testservers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres is a private Postgres server.
type Postgres struct{ *server }

// NewPostgres starts a Postgres server that runs until the end of the test. It syncs its commits to disk as in production.
func NewPostgres(t testing.TB) *Postgres {
	t.Helper()
	pg, err := launchPostgres()
	must(t, err)
	pg.own(t)
	t.Cleanup(func() {
		if !pg.running() {
			pg.Start() // a killed one has left shared memory behind that only its successor clears
		}
	})
	return pg
}

// URL returns the postgres:// URL of the server's only database. It stays the same when the server is started again.
func (pg *Postgres) URL() string {
	return "postgres://postgres@" + pg.address + "/postgres?sslmode=disable"
}

// sharedPostgres starts the server behind DatabaseURL when it is first asked for. The watchdog stops it. It does not sync to
// disk: nobody can kill it, and on a laptop syncing would be most of the time of making a database.
var sharedPostgres = sync.OnceValues(func() (string, error) {
	pg, err := launchPostgres("fsync=off", "full_page_writes=off")
	if err != nil {
		return "", err
	}
	return pg.URL(), nil
})

// DatabaseURL returns the postgres:// URL of an empty database for this test, which is dropped at its end with all connections
// that are still open. It is on a server that the package's tests share, or on the one of TEST_DATABASE_URL, a postgres:// URL
// whose user may create databases.
func DatabaseURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_DATABASE_URL")
	if server == "" {
		var err error
		server, err = sharedPostgres()
		must(t, err)
	}
	fresh, err := url.Parse(server)
	must(t, err)
	name := "test_" + strings.ToLower(rand.Text())
	fresh.Path = "/" + name
	must(t, execute(server, "CREATE DATABASE "+name))
	t.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return fresh.String()
}

// execute runs one statement on a connection of its own.
func execute(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := sql.Open("pgx", server)
	if err == nil {
		_, err = db.ExecContext(ctx, statement)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// launchPostgres starts a server that no test owns yet, with settings such as "fsync=off" beside our own.
func launchPostgres(settings ...string) (*Postgres, error) {
	cluster, err := initialCluster()
	if err != nil {
		return nil, err
	}
	s, err := newServer("postgres")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	// With owner and modes.
	if out, err := exec.Command("cp", "-Rp", cluster.data, data).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy a Postgres cluster: %w: %s", err, out)
	}
	settings = append(settings, "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=500",
		"dynamic_shared_memory_type=mmap") // in the data folder, where it goes when that goes
	s.user, s.ready, s.stops = cluster.user, "database system is ready to accept connections", syscall.SIGQUIT // the "immediate" shutdown
	return &Postgres{s}, startOnFreePort(s, func(port int) error {
		s.argv = []string{filepath.Join(cluster.bin, "postgres"), "-D", data, "-p", strconv.Itoa(port)}
		for _, setting := range settings {
			s.argv = append(s.argv, "-c", setting)
		}
		return nil
	})
}

// cluster is what initdb has made: the empty data folder that every Postgres server starts with a copy of. Making it takes
// four times as long as copying it.
type cluster struct {
	bin, data string              // folders of the programs and of the data
	user      *syscall.Credential // whose it is
}

// initialCluster makes the test process's cluster when it is first asked for.
var initialCluster = sync.OnceValues(func() (c cluster, err error) {
	if c.bin, err = postgresBin(); err != nil {
		return c, err
	}
	if c.user, err = unprivileged(); err != nil {
		return c, err
	}
	s, err := newServer("initdb")
	if err != nil {
		return c, err
	}
	if c.user != nil {
		if err := os.Chown(s.dir, int(c.user.Uid), int(c.user.Gid)); err != nil {
			return c, fmt.Errorf("make a Postgres cluster: %w", err)
		}
	}
	c.data = filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(c.bin, "initdb"), "-D", c.data, "--no-sync", "--auth=trust", "--username=postgres",
		"--locale=C", "--encoding=UTF8")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: c.user}
	if out, err := initdb.CombinedOutput(); err != nil {
		return c, fmt.Errorf("make a Postgres cluster: %w: %s", err, out)
	}
	return c, nil
})

// postgresBin returns the folder of Postgres' programs: where PATH has them, or else where Debian and Homebrew put the newest.
func postgresBin() (string, error) {
	program, err := lookPath("postgres")
	if errors.Is(err, errOff) {
		return "", err
	}
	if err != nil {
		var found []string
		for _, pattern := range []string{"/usr/lib/postgresql/[1-9][0-9]/bin/postgres", "/opt/homebrew/opt/postgresql@[1-9][0-9]/bin/postgres"} {
			matches, _ := filepath.Glob(pattern) // the only error is a bad pattern
			found = append(found, matches...)
		}
		if len(found) == 0 {
			return "", err
		}
		program = slices.Max(found)
	}
	// initdb is beside the program itself, perhaps not beside a link to it.
	program, err = filepath.EvalSymlinks(program)
	return filepath.Dir(program), err
}

// unprivileged returns who is to run a server that refuses to run as root, when root runs the tests; otherwise nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find a user to run a server: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// NewPgBouncer starts a PgBouncer in transaction mode in front of a server, until the end of the test, and returns its postgres:// URL.
func NewPgBouncer(t testing.TB, pg *Postgres) string {
	t.Helper()
	program, err := lookPath("pgbouncer")
	if err != nil {
		program, err = lookPath("/usr/sbin/pgbouncer")
	}
	if err != nil {
		must(t, exec.ErrNotFound)
	}
	s, err := newServer("pgbouncer")
	must(t, err)
	s.user, err = unprivileged()
	must(t, err)
	config := filepath.Join(s.dir, "pgbouncer.ini")
	s.argv, s.ready, s.stops = []string{program, config}, "process up", syscall.SIGINT
	_, port, _ := strings.Cut(pg.address, ":")
	must(t, startOnFreePort(s, func(listen int) error {
		return os.WriteFile(config, fmt.Appendf(nil, "[databases]\npostgres = host=127.0.0.1 port=%s user=postgres\n[pgbouncer]\n"+
			"listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n", port, listen), 0o644)
	}))
	s.own(t)
	return (&Postgres{s}).URL()
}
