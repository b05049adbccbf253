# Ends what a test process started, however that process ended: also by a panic, by `go test -timeout` or by kill -9.
#
# $1 is the process's folder: one sub-folder a server, with a file `pid` ("<process> <signal that stops it>") while it runs.
# Standard input is a pipe that nothing but the test process holds, so that it closes when that process is gone.
cat >/dev/null

# A dead process whose parent has not noticed yet (Z) is not alive.
alive() { case $(ps -o stat= -p "$1") in '' | Z*) false ;; esac; }

for file in "$1"/*/pid; do
	read -r pid signal <"$file" || continue
	kill -"$signal" "$pid"
	# A paused server, and its paused children, act on the signal only once they are resumed.
	kill -CONT "$pid" $(ps -A -o pid= -o ppid= | awk -v parent="$pid" '$2 == parent { print $1 }')

	tries=0
	while alive "$pid" && [ $((tries += 1)) -le 100 ]; do sleep 0.1; done
	kill -KILL "$pid"
done 2>/dev/null

rm -rf "$1"
