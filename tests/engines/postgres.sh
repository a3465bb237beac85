# shellcheck shell=bash
# One PostgreSQL cluster, made for this run. Tests create their own databases in it.

postgres_install() {
    if [[ -n $(postgres_bin) ]]; then return 0; fi
    # The package makes a cluster on port 5432 when it is installed. If it is us who bring it onto the
    # machine, there shall be none: nothing here would use it. Where the setting's file is there
    # already, somebody else has decided that.
    local settings=/etc/postgresql-common/createcluster.conf
    if [[ ! -e $settings ]]; then
        as_root mkdir -p "${settings%/*}"
        printf 'create_main_cluster = false\n' | as_root tee "$settings" >/dev/null
    fi
    need_packages postgresql
    [[ -n $(postgres_bin) ]] || die "PostgreSQL was installed, but its server programs are not there"
}

# The folder of the newest server. Debian keeps it off the PATH, and what is found on the PATH may be
# a stray link or the client alone.
postgres_bin() {
    local bin
    while read -r bin; do
        if [[ -x $bin/initdb && -x $bin/postgres ]]; then
            printf '%s\n' "$bin"
            return 0
        fi
    done < <(
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
        pg_config --bindir 2>/dev/null || true
    )
}

postgres_start() {
    local bin dir=$RUN_DIR/postgres user='' as=()
    bin=$(postgres_bin)
    mkdir -m 700 "$dir"
    if ((EUID == 0)); then
        # The server refuses to run as root.
        user=postgres
        id "$user" >/dev/null 2>&1 || die "PostgreSQL does not run as root, and there is no user $user"
        chown "$user:" "$dir"
        as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --)
        (cd / && "${as[@]}" test -x "$dir") || die "user $user can't reach $dir: set TMPDIR to a folder open to all"
    fi
    # --no-sync is about the new files alone: the server itself syncs as it does in production, so
    # that tests and timings see its real cost.
    (cd / && LC_ALL=C "${as[@]}" "$bin/initdb" --pgdata "$dir/data" --username postgres --auth trust \
        --encoding UTF8 --locale C.UTF-8 --no-sync) >"$LOG_DIR/initdb.log" 2>&1 || die "initdb failed"
    rm "$LOG_DIR/initdb.log"
    # No socket file: its path would be too long in some temporary folders. QUIT ends it at once and
    # gives its shared memory back; the data is thrown away anyway.
    start_server postgres "$user" QUIT 'database system is ready to accept connections' \
        "$bin/postgres" -D "$dir/data" \
        -c port='{port}' -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c max_connections=200 -c shared_buffers=128MB \
        -c fsync=on -c synchronous_commit=on -c wal_level=minimal -c max_wal_senders=0 \
        -c timezone=UTC -c lc_messages=C -c log_line_prefix='%m [%p] %d '
    export BELLBUOY_TEST_POSTGRES="postgres://postgres@127.0.0.1:$SERVER_PORT/postgres"
    # For tests that kill a server: they start their own.
    export BELLBUOY_TEST_POSTGRES_BIN="$bin"
}
