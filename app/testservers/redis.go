package testservers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis is a private Redis server that keeps nothing on disk.
type Redis struct{ *server }

// NewRedis starts a Redis server that runs until the end of the test.
func NewRedis(t testing.TB) *Redis {
	t.Helper()
	return ownRedis(t)
}

// ownRedis is NewRedis with options of redis-server.
func ownRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	r, err := launchRedis(options...)
	must(t, err)
	r.own(t)
	return r
}

// RedisURL returns the redis:// URL of an empty Redis server for this test: a private one, or the one in TEST_REDIS_URL, which
// is shared by all tests and not emptied for them.
func RedisURL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("TEST_REDIS_URL"); url != "" {
		return url
	}
	return NewRedis(t).URL()
}

// URL returns the server's redis:// URL, which stays the same when it is started again.
func (r *Redis) URL() string { return "redis://" + r.address }

// FlushAll empties the server.
func (r *Redis) FlushAll() {
	r.t.Helper()
	r.Do("FLUSHALL")
}

// Do sends a command whose answer is OK.
func (r *Redis) Do(command string) {
	r.t.Helper()
	if answer := r.ask(command); answer != "+OK\r\n" {
		r.t.Fatalf("redis %s: answer %q", command, answer)
	}
}

// ask sends a command and returns the answer. It speaks the protocol itself, as package jobs is to be the only importer of a Redis client.
func (r *Redis) ask(command string) string {
	r.t.Helper()
	conn, err := net.DialTimeout("tcp", r.address, patience)
	must(r.t, err)
	err = conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = fmt.Fprintf(conn, "%s\r\nQUIT\r\n", command)
	}
	var answers []byte
	if err == nil {
		answers, err = io.ReadAll(conn)
	}
	must(r.t, errors.Join(err, conn.Close()))
	return strings.TrimSuffix(string(answers), "+OK\r\n") // that of QUIT
}

// launchRedis starts a server that no test owns yet.
func launchRedis(options ...string) (*Redis, error) {
	program, err := lookPath("redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("redis")
	if err != nil {
		return nil, err
	}
	s.ready, s.stops = "Ready to accept connections", syscall.SIGKILL // there is nothing to save, and SIGTERM takes it up to 0.1 s
	return &Redis{s}, startOnFreePort(s, func(port int) error {
		s.argv = append([]string{program, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no"}, options...)
		if slices.Contains(options, "--cluster-enabled") {
			s.argv = append(s.argv, "--cluster-port", strconv.Itoa(port+1)) // not +10000, where connections of clients may be
		}
		return nil
	})
}

// The user and the passwords of NewSentinel and NewCluster.
const (
	redisUser        = "webhooks"
	redisPassword    = "redis-p@ss"
	sentinelPassword = "sentinel-p@ss"
)

// NewSentinel starts a Redis with a replica, and a sentinel that promotes the replica if the master has been dead for a second. They run
// until the end of the test. It returns the master, and the redis-sentinel:// URL; Redis and the sentinel have different passwords.
func NewSentinel(t testing.TB) (master *Redis, url string) {
	t.Helper()
	passwords := []string{"--requirepass", redisPassword, "--masterauth", redisPassword}
	master = ownRedis(t, append(passwords, "--repl-diskless-sync-delay", "0")...)
	host, port, _ := strings.Cut(master.address, ":")
	replica := ownRedis(t, append(passwords, "--replicaof", host+" "+port)...)
	await(t, "the replica is in sync", func() bool {
		return strings.Contains(replica.ask("AUTH "+redisPassword+"\r\nINFO replication"), "master_link_status:up")
	})

	s, err := newServer("sentinel")
	must(t, err)
	config := filepath.Join(s.dir, "sentinel.conf")
	s.argv, s.ready, s.stops = []string{master.argv[0], config, "--sentinel"}, "+slave", master.stops
	must(t, startOnFreePort(s, func(listen int) error {
		return os.WriteFile(config, fmt.Appendf(nil, "bind 127.0.0.1\nport %d\nrequirepass %s\nsentinel monitor webhooks %s %s 1\n"+
			"sentinel auth-pass webhooks %s\nsentinel down-after-milliseconds webhooks 1000\n", listen, sentinelPassword, host, port, redisPassword), 0o600)
	}))
	s.own(t)
	return master, "redis-sentinel://:sentinel-p%40ss@" + s.address + "?master_name=webhooks&password=redis-p%40ss"
}

// NewCluster starts a Redis Cluster of three masters without replicas, which runs until the end of the test. If one is killed, the cluster
// refuses everything after a second, until that one is started again. It returns the masters, and the redis-cluster:// URL with a user and
// a password.
func NewCluster(t testing.TB) (masters []*Redis, url string) {
	t.Helper()
	for range 3 {
		masters = append(masters, ownRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--user", redisUser, "on", ">"+redisPassword, "~*", "&*", "+@all"))
	}
	first := masters[0]
	host, port, _ := strings.Cut(first.address, ":")
	for i, slots := range []string{"0 5460", "5461 10922", "10923 16383"} {
		masters[i].Do("CLUSTER ADDSLOTSRANGE " + slots)
		if i > 0 {
			masters[i].Do(fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, first.argv[len(first.argv)-1]))
		}
	}
	for _, m := range masters {
		await(t, "the cluster works", func() bool { return strings.Contains(m.ask("CLUSTER INFO"), "cluster_state:ok") })
		m.Do("ACL SETUSER default off")
	}
	return masters, "redis-cluster://" + redisUser + ":redis-p%40ss@" + first.address + "?addr=" + masters[1].address + "&addr=" + masters[2].address
}
