# shellcheck shell=bash
# Installs Debian packages, without starting the services that come with them.

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif ! command -v sudo >/dev/null; then
        die "this needs root and there is no sudo: $*"
    elif [[ -t 0 ]]; then
        sudo "$@"
    else
        # Nobody is there to type a password: fail instead of waiting for one.
        sudo -n "$@"
    fi
}

# need_packages PACKAGE…: installs them, or says what is missing and ends the run.
need_packages() {
    command -v apt-get >/dev/null ||
        die "missing here, and there is no apt-get to install it with: $*"
    ((EUID == 0)) || command -v sudo >/dev/null ||
        die "please install (needs root, and there is no sudo): $*"
    say "installing $*"
    # dpkg's own folder is the lock, so that two runs on a fresh machine take turns and the lock
    # leaves no file behind. The tools run without the descriptor, lest something they start keeps it.
    (
        flock 9
        keep_services_down
        apt update
        apt install "$@"
    ) 9</var/lib/dpkg || die "could not install: $*"
}

# apt update | apt install …, with everything that could stop and ask turned off.
apt() {
    local command=$1 options=() try
    shift
    [[ $command == update ]] || options=(--yes --no-install-recommends)
    for try in 1 2 3; do
        # Settings that are there stay as they are; needrestart (Ubuntu) would restart the machine's
        # services after an install.
        as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 NEEDRESTART_SUSPEND=1 apt-get -qq \
            -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
            "${options[@]}" "$command" "$@" </dev/null 9>&- && return 0
        say "apt-get $command failed (try $try of 3)"
        sleep "$try"
    done
    return 1
}

# Debian starts a service as soon as it is installed, on its usual port. Nothing here uses those,
# so for the time of the install invoke-rc.d is told not to. A guard that is there already stays.
# Called in the subshell of the install: its end takes the guard away again.
keep_services_down() {
    local guard=/usr/sbin/policy-rc.d
    [[ ! -e $guard ]] || return 0
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\n# Placed by an install in progress.\nexit 101\n' |
        as_root tee "$guard" >/dev/null
    as_root chmod 755 "$guard"
}
