# shellcheck shell=bash
# Builds the test binaries and runs them, each with as many tests at once as there are processors.

# Those that take longest begin first, so that none of them is left alone at the end of several lanes.
LONGEST=(crash conformance flow queue accounts rights profiles operating)
# How many suites run at once. Those that wait gain by it (eight of them took 250 s in two lanes instead of 480 s); those
# that make load make it for as long as they last, and on two processors crash and conformance together took more than
# twice as long as one after the other. Until the two kinds are told apart it is one.
LANES=${BELLBUOY_TEST_LANES:-1}

# Builds all, and leaves in $RUN_DIR/suites a line per test binary: its name, its package's folder, where it is.
build() {
    local options=("${CARGO_OPTIONS[@]}" --message-format json-render-diagnostics) name
    if ((${#SELECTION[@]})); then
        start_group cargo test "${options[@]}" "${SELECTION[@]}" --no-run >"$RUN_DIR/built"
    else
        start_group cargo build "${options[@]}" --all-targets >"$RUN_DIR/built"
    fi
    finish_group
    sed -nE '/"profile":\{[^}]*"test":true\}/s|.*"manifest_path":"([^"]*)/Cargo.toml".*"executable":"([^"]*/([^"/]*)-[0-9a-f]+)".*|\3 \1 \2|p' \
        "$RUN_DIR/built" | sort >"$RUN_DIR/found"
    for name in "${LONGEST[@]}"; do
        grep "^$name " "$RUN_DIR/found" || true
    done >"$RUN_DIR/suites"
    grep -vxFf "$RUN_DIR/suites" "$RUN_DIR/found" >>"$RUN_DIR/suites" || [[ -s $RUN_DIR/suites ]] ||
        die "cargo named no test binary"
}

run_tests() {
    local log=$LOG_DIR/tests.log shown status=0
    : >"$log"
    mkdir "$LOG_DIR/suites"
    # Through a file, not a pipe: a server that a test forgot would hold a pipe open for ever.
    start_group xargs --arg-file "$RUN_DIR/suites" --max-procs "$LANES" --max-lines=1 \
        tests/runner/suite "$LOG_DIR/suites" "${LIBTEST[@]}" >"$log" 2>&1
    tail -n +1 -s 0.2 -f --pid="$GROUP" "$log" &
    shown=$!
    finish_group || status=$?
    wait "$shown" || true
    count_tests "$log"
    if ((status == 0)) && [[ $TALLY == "tests: 0 passed,"* ]]; then
        die "no test ran"
    fi
    return "$status"
}

count_tests() {
    TALLY=$(awk '/^test result: / {
        gsub(/[^0-9 ]/, ""); passed += $1; failed += $2; skipped += $3
    } END { printf "tests: %d passed, %d failed, %d skipped", passed, failed, skipped }' "$1")
}
