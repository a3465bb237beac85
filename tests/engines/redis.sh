# shellcheck shell=bash
# One Redis, in memory only.

redis_install() {
    # Sentinels are the same program under another name.
    command -v redis-server >/dev/null || need_packages redis-server
    # The tests make certificates for a server of their own.
    command -v openssl >/dev/null || need_packages openssl
}

redis_start() {
    local binary
    binary=$(command -v redis-server)
    mkdir "$RUN_DIR/redis"
    # DEBUG could stop or corrupt the server that all tests share; Redis before 7 does not know the
    # switch and refuses to start, which is right: the product needs 7.
    start_server redis '' TERM 'Ready to accept connections' "$binary" \
        --bind 127.0.0.1 --port '{port}' --dir "$RUN_DIR/redis" --daemonize no \
        --save '' --appendonly no --enable-debug-command no
    export BELLBUOY_TEST_REDIS="redis://127.0.0.1:$SERVER_PORT"
    # For tests that stop, flush or kill a Redis: they start their own.
    export BELLBUOY_TEST_REDIS_SERVER="$binary"
}
