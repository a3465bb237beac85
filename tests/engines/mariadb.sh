# shellcheck shell=bash
# One MariaDB, made for this run. Tests create their own databases in it.

mariadb_install() {
    if mariadb_program mariadbd >/dev/null && mariadb_program mariadb-install-db >/dev/null; then return 0; fi
    need_packages mariadb-server
    mariadb_program mariadbd >/dev/null || die "MariaDB was installed, but its server is not there"
}

# Debian keeps the server where only root's PATH leads.
mariadb_program() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1"
}

mariadb_start() {
    local server install dir=$RUN_DIR/mariadb user='' as=()
    server=$(mariadb_program mariadbd)
    install=$(mariadb_program mariadb-install-db)
    # A server that starts clears its folder for temporary tables, whoever's they are.
    mkdir -m 700 "$dir" "$dir/tmp"
    cat >"$dir/init.sql" <<'SQL'
CREATE USER 'bellbuoy'@'%' IDENTIFIED BY 'a-stores-secret';
GRANT ALL ON *.* TO 'bellbuoy'@'%';
SQL
    if ((EUID == 0)); then
        # The server refuses to run as root.
        user=mysql
        id "$user" >/dev/null 2>&1 || die "MariaDB does not run as root, and there is no user $user"
        chown -R "$user:" "$dir"
        as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --)
        (cd / && "${as[@]}" test -x "$dir") || die "user $user can't reach $dir: set TMPDIR to a folder open to all"
    fi
    (cd / && LC_ALL=C TMPDIR=$dir/tmp "${as[@]}" "$install" --no-defaults --datadir="$dir/data" \
        --auth-root-authentication-method=normal --skip-test-db) >"$LOG_DIR/mariadb-install.log" 2>&1 ||
        die "mariadb-install-db failed"
    rm "$LOG_DIR/mariadb-install.log"
    # No socket file: its path would be too long in some temporary folders. How it syncs is left as it is
    # in production, so that tests and timings see its real cost. All tables share one file: each test makes some fifty, and
    # as many files fewer made a test's migrations a quarter quicker.
    start_server mariadb "$user" TERM 'ready for connections' \
        "$server" --no-defaults --datadir="$dir/data" --tmpdir="$dir/tmp" --socket= --pid-file="$dir/pid" \
        --port='{port}' --bind-address=127.0.0.1 --skip-name-resolve --init-file="$dir/init.sql" \
        --max-connections=300 --innodb-file-per-table=0 --innodb-buffer-pool-size=256M --lc-messages=en_US
    export BELLBUOY_TEST_MARIADB="mysql://bellbuoy:a-stores-secret@127.0.0.1:$SERVER_PORT/mysql"
    # For tests that kill a server: they start their own.
    export BELLBUOY_TEST_MARIADB_SERVER="$server" BELLBUOY_TEST_MARIADB_INSTALL="$install"
}
