# shellcheck shell=bash
# Looks for secrets in everything that was logged while the tests ran, by the servers and by the product's own processes.

# The passwords of everybody in the tests and of the store, each on a line.
secret_marks() {
    sed -n 's/^pub const PASSWORD: &str = "\(.*\)";$/\1/p' tests/harness/account.rs
    sed -n 's/^const PASSWORD: &str = "\(.*\)";$/\1/p' tests/people.rs
    sed -n 's/^const STORE_PASSWORD: &str = "\(.*\)";$/\1/p' tests/secrets.rs
}

grep_logs() {
    local marks shown
    marks=$(secret_marks)
    (($(wc -l <<<"$marks") == 3)) || die "the tests' passwords are not where tests/runner/secrets.sh looks for them"
    # Looking into nothing would find nothing.
    grep -rqs answered "$LOG_DIR/nodes" || die "no process of the product left a log"
    # sed reads to the end, so that no part of the pipe fails but a grep that finds nothing.
    shown=$(grep -rnaF --exclude tests.log -e "$marks" "$LOG_DIR" | cut -c1-300 | sed -n '1,20p') || true
    if [[ -n $shown ]]; then
        printf '%s\n' "$shown"
        die "a password stands in a log"
    fi
    say "no password stands in the $(find "$LOG_DIR" -type f | wc -l) logs of this run"
}
