# shellcheck shell=bash
# Starts and stops what a test run needs: servers on free ports, and commands in a group of their own.
#
# Each is started with job control on (`set -m`), for two reasons: a Ctrl-C at the terminal reaches
# only the script, which then ends everything in order; and a background process started without it
# would ignore SIGINT, and so would the servers that the tests start and interrupt.

SERVER_PIDS=()
SERVER_SIGNALS=()
SERVER_PORT=
GROUP=

# By the shell's own list of children, so that a process id that went to somebody else is never hit.
is_running() {
    local children
    children=$(jobs -pr)
    [[ $'\n'$children$'\n' == *$'\n'$1$'\n'* ]]
}

# Leaves a port in SERVER_PORT on which nothing answers. The range lies below the one from which the
# kernel takes ports for outgoing connections. Somebody may still come first: start_server tries again.
pick_port() {
    local try
    for ((try = 0; try < 200; try++)); do
        SERVER_PORT=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$SERVER_PORT") 2>/dev/null || return 0
    done
    die "found no free port between 20000 and 29999"
}

# start_server NAME USER SIGNAL READY COMMAND…: runs COMMAND, in which {port} stands for the port, as
# USER (empty: as who we are) and waits until its log says READY. SIGNAL is what stops it.
# Leaves the port in SERVER_PORT.
#
# Ready is what the server's own log says: an answer on the port could come from somebody else's
# server that took it a moment earlier. The parent-death signal takes the server down even when this
# script is killed with no time to clean up.
start_server() {
    local name=$1 user=$2 signal=$3 ready=$4 log=$LOG_DIR/$1.log identity=() try pid
    shift 4
    if [[ -n $user ]]; then
        identity=(--reuid "$user" --regid "$(id -g "$user")" --init-groups)
    fi
    for ((try = 0; try < 10; try++)); do
        pick_port
        : >"$log"
        set -m
        # LC_ALL: the log is read below, so it has to be in English.
        LC_ALL=C setpriv "${identity[@]}" --pdeathsig "$signal" -- \
            "${@//\{port\}/$SERVER_PORT}" </dev/null >>"$log" 2>&1 &
        pid=$!
        set +m
        SERVER_PIDS+=("$pid")
        SERVER_SIGNALS+=("$signal")
        await_ready "$pid" "$log" "$ready" && say "$name is ready on port $SERVER_PORT" && return 0
        is_running "$pid" && die "$name was not ready within a minute"
        grep -qi 'address already in use' "$log" || die "$name did not start"
        say "port $SERVER_PORT was taken just now, trying another for $name"
    done
    die "$name found no port in ten tries"
}

await_ready() {
    local pid=$1 log=$2 ready=$3 tick
    for ((tick = 0; tick < 600; tick++)); do
        grep -qF -- "$ready" "$log" && return 0
        is_running "$pid" || return 1
        sleep 0.1
    done
    return 1
}

stop_servers() {
    local i tick
    for i in "${!SERVER_PIDS[@]}"; do
        ! is_running "${SERVER_PIDS[i]}" || kill -s "${SERVER_SIGNALS[i]}" "${SERVER_PIDS[i]}" || true
    done
    for i in "${!SERVER_PIDS[@]}"; do
        for ((tick = 0; tick < 100; tick++)); do
            is_running "${SERVER_PIDS[i]}" || break
            sleep 0.1
        done
        ! is_running "${SERVER_PIDS[i]}" || kill -s KILL "${SERVER_PIDS[i]}" || true
    done
    SERVER_PIDS=()
    SERVER_SIGNALS=()
}

# Starts a command as a process group, GROUP. In the background, because the shell acts on a signal
# only between foreground commands, and a test run is a long one.
start_group() {
    set -m
    setpriv --pdeathsig TERM -- "$@" </dev/null &
    GROUP=$!
    set +m
}

# Waits for the group's first process and answers with its status; what it left running is ended.
finish_group() {
    local status=0
    wait "$GROUP" || status=$?
    if kill -s 0 -- "-$GROUP" 2>/dev/null; then
        say "left running by the last command, and ended now:"
        ps -e -o pgid=,pid=,args= 2>/dev/null | awk -v group="$GROUP" '$1 == group' || true
        end_group
    fi
    GROUP=
    return "$status"
}

end_group() {
    local tick
    [[ -n $GROUP ]] || return 0
    kill -s TERM -- "-$GROUP" 2>/dev/null || return 0
    for ((tick = 0; tick < 50; tick++)); do
        kill -s 0 -- "-$GROUP" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -s KILL -- "-$GROUP" 2>/dev/null || true
}
