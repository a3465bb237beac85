# shellcheck shell=bash
# schemathesis, which tries every operation of the OpenAPI document: tests/conformance.

conformance_install() {
    # In a folder of ours, so that nothing is installed into the machine's Python; kept between runs.
    local wanted=tests/conformance/requirements.txt tools folder
    tools=$(mkdir -p "${CARGO_TARGET_DIR:-target}/test-tools" && cd "${CARGO_TARGET_DIR:-target}/test-tools" && pwd -P)
    folder=$tools/schemathesis
    export BELLBUOY_TEST_SCHEMATHESIS=$folder/bin/python
    # The list is copied last, so that an install that broke off is begun anew.
    ! cmp -s "$wanted" "$folder/installed" || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3 python3-venv
    say "installing $(grep '^schemathesis==' "$wanted")"
    # The folder of the tools is the lock, so that two runs take turns.
    (
        flock 9
        ! cmp -s "$wanted" "$folder/installed" || exit 0
        rm -rf "$folder"
        # In one chain: within a list that `||` ends the shell does not stop at a failure by itself.
        python3 -m venv "$folder" &&
            "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" 9>&- &&
            cp "$wanted" "$folder/installed"
    ) 9<"$tools" || die "could not install what is in $wanted"
}
