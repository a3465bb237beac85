# shellcheck shell=bash
# Prometheus' Alertmanager, as Debian packs it: tests start one each, with a configuration of their own.

alertmanager_install() {
    command -v prometheus-alertmanager >/dev/null || need_packages prometheus-alertmanager
}

alertmanager_start() {
    BELLBUOY_TEST_ALERTMANAGER=$(command -v prometheus-alertmanager)
    export BELLBUOY_TEST_ALERTMANAGER
}
