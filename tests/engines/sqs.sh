# shellcheck shell=bash
# One SQS: MiniStack, in memory only.

# The version whose behaviour tests/queue/sqs_server.rs has looked at; it goes on saying so at every run.
MINISTACK_VERSION=1.5.33

sqs_install() {
    # In a folder of ours, so that nothing is installed into the machine's Python; kept between runs.
    local tools folder
    tools=$(mkdir -p "${CARGO_TARGET_DIR:-target}/test-tools" && cd "${CARGO_TARGET_DIR:-target}/test-tools" && pwd -P)
    folder=$tools/ministack-$MINISTACK_VERSION
    MINISTACK=$folder/bin/ministack
    [[ ! -e $folder/complete ]] || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
    say "installing MiniStack $MINISTACK_VERSION"
    # The folder of the tools is the lock, so that two runs take turns.
    (
        flock 9
        [[ ! -e $folder/complete ]] || exit 0
        rm -rf "$folder"
        # In one chain: within a list that `||` ends the shell does not stop at a failure by itself.
        python3 -m venv "$folder" &&
            "$folder/bin/pip" install --quiet --disable-pip-version-check "ministack==$MINISTACK_VERSION" 9>&- &&
            touch "$folder/complete"
    ) 9<"$tools" || die "could not install MiniStack $MINISTACK_VERSION"
}

sqs_start() {
    local name
    # It stores nothing and starts no containers; it would listen on all addresses unless told otherwise.
    start_server sqs '' TERM 'services available on port' env \
        GATEWAY_PORT='{port}' BIND_HOST=127.0.0.1 MINISTACK_HOST=127.0.0.1 SERVICES=sqs \
        IOT_MTLS_ENABLED=0 DOCKER_HOST=unix:///nonexistent LOG_LEVEL=INFO "$MINISTACK"
    export BELLBUOY_TEST_SQS="http://127.0.0.1:$SERVER_PORT"
    # For tests that stop or freeze an SQS: they start their own.
    export BELLBUOY_TEST_SQS_SERVER="$MINISTACK"
    # A developer's own credentials, profile or role must not reach the tests.
    for name in "${!AWS_@}"; do unset "$name"; done
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
}
