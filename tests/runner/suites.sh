# shellcheck shell=bash
# Builds the test binaries and runs them, each with as many tests at once as there are processors.

# Those that make load for as long as they last run alone, one after the other: on two processors crash and conformance
# together took more than twice as long as one after the other.
LOAD=(crash conformance flow queue)
# The others mostly wait, for real time or for an engine, and run in several lanes: eight of them took 250 s in two instead
# of 480 s. Those that take longest begin first, so that none of them is left alone at the end.
LONGEST=(accounts rights simulator profiles operating)
LANES=${BELLBUOY_TEST_LANES:-2}

# Builds all, and leaves a line per test binary in $RUN_DIR/alone or $RUN_DIR/together: its name, its package's folder, where
# it is.
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
    [[ -s $RUN_DIR/found ]] || die "cargo named no test binary"
    for name in "${LOAD[@]}"; do
        grep "^$name " "$RUN_DIR/found" || true
    done >"$RUN_DIR/alone"
    for name in "${LONGEST[@]}"; do
        grep "^$name " "$RUN_DIR/found" || true
    done >"$RUN_DIR/first"
    cat "$RUN_DIR/first" >"$RUN_DIR/together"
    sort "$RUN_DIR/alone" "$RUN_DIR/first" | comm -13 - "$RUN_DIR/found" >>"$RUN_DIR/together"
}

run_tests() {
    local log=$LOG_DIR/tests.log status=0
    : >"$log"
    mkdir "$LOG_DIR/suites"
    run_suites "$RUN_DIR/alone" 1 || status=$?
    run_suites "$RUN_DIR/together" "$LANES" || status=$?
    count_tests "$log"
    if ((status == 0)) && [[ $TALLY == "tests: 0 passed,"* ]]; then
        die "no test ran"
    fi
    return "$status"
}

# run_suites LIST LANES: runs what the list has, so many at once, and shows what each says when it has ended.
run_suites() {
    local log=$LOG_DIR/tests.log shown status=0 before
    before=$(stat -c %s "$log")
    # Through a file, not a pipe: a server that a test forgot would hold a pipe open for ever.
    start_group xargs --no-run-if-empty --arg-file "$1" --max-procs "$2" --max-lines=1 \
        tests/runner/suite "$LOG_DIR/suites" "${LIBTEST[@]}" >>"$log" 2>&1
    tail -c +$((before + 1)) -s 0.2 -f --pid="$GROUP" "$log" &
    shown=$!
    finish_group || status=$?
    wait "$shown" || true
    return "$status"
}

count_tests() {
    TALLY=$(awk '/^test result: / {
        gsub(/[^0-9 ]/, ""); passed += $1; failed += $2; skipped += $3
    } END { printf "tests: %d passed, %d failed, %d skipped", passed, failed, skipped }' "$1")
}
