package testservers

import (
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Postgres is a private Postgres server.
type Postgres struct {
	server
	address string
}

// NewPostgres starts a Postgres server that runs until the end of the test. It syncs its commits to disk as in production.
func NewPostgres(t testing.TB) *Postgres {
	t.Helper()
	pg, err := launchPostgres()
	must(t, err)
	pg.t = t
	t.Cleanup(pg.close)
	return pg
}

// URL returns the postgres:// URL of the server's only database. It stays the same when the server is started again.
func (pg *Postgres) URL() string {
	return "postgres://postgres@" + pg.address + "/postgres?sslmode=disable"
}

// close stops the server. A killed one is started for that: it has left shared memory behind that only its successor clears.
func (pg *Postgres) close() {
	if !pg.p.running() {
		pg.Start()
	}
	pg.server.close()
}

// launchPostgres starts a server that has no test yet, with settings, as in "fsync=off", beside our own.
func launchPostgres(settings ...string) (*Postgres, error) {
	cluster, err := initialCluster()
	if err != nil {
		return nil, err
	}
	w, err := watch()
	if err != nil {
		return nil, err
	}
	dir, err := w.newDir("postgres")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := cluster.copyTo(data); err != nil {
		return nil, err
	}
	settings = append(settings,
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"max_connections=200",
		"dynamic_shared_memory_type=mmap", // in the data folder, where it goes when that goes
	)
	pg := &Postgres{}
	return pg, startOnFreePort(func(port int) error {
		pg.address = address(port)
		argv := []string{filepath.Join(cluster.bin, "postgres"), "-D", data, "-p", strconv.Itoa(port)}
		for _, s := range settings {
			argv = append(argv, "-c", s)
		}
		pg.p = &process{
			argv:  argv,
			dir:   dir,
			user:  cluster.user,
			ready: "database system is ready to accept connections",
			stops: syscall.SIGQUIT, // the "immediate" shutdown
		}
		return pg.p.start()
	})
}
