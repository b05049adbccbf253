package testservers

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// cluster is what initdb has made: the empty data folder that every Postgres server starts with a copy of. Making it takes
// four times as long as copying it.
type cluster struct {
	bin  string // folder of the programs
	data string
	user *syscall.Credential // whose it is; nil means whoever runs the tests
}

// initialCluster returns the test process's cluster, and makes it when it is first asked for.
var initialCluster = sync.OnceValues(func() (*cluster, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	user, err := postgresUser()
	if err != nil {
		return nil, err
	}
	w, err := watch()
	if err != nil {
		return nil, err
	}
	dir, err := w.newDir("initdb")
	if err != nil {
		return nil, err
	}
	if user != nil {
		if err := os.Chown(dir, int(user.Uid), int(user.Gid)); err != nil {
			return nil, fmt.Errorf("make a Postgres cluster: %w", err)
		}
	}
	c := &cluster{bin: bin, data: filepath.Join(dir, "data"), user: user}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", c.data, "--no-sync", "--auth=trust", "--username=postgres",
		"--locale=C", "--encoding=UTF8")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a Postgres cluster: %w: %s", err, out)
	}
	return c, nil
})

// copyTo copies the data folder, with its owner and modes, to a path that does not exist.
func (c *cluster) copyTo(path string) error {
	if out, err := exec.Command("cp", "-Rp", c.data, path).CombinedOutput(); err != nil {
		return fmt.Errorf("copy a Postgres cluster: %w: %s", err, out)
	}
	return nil
}

// postgresBin returns the folder of Postgres' programs: where PATH has them, or else where Debian and Homebrew put the newest.
func postgresBin() (string, error) {
	program, err := exec.LookPath("postgres")
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
	if err != nil {
		return "", fmt.Errorf("find Postgres: %w", err)
	}
	return filepath.Dir(program), nil
}

// postgresUser returns who is to run Postgres when root runs the tests, since it refuses to run as root; otherwise nil.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find a user to run Postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("find a user to run Postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("find a user to run Postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
