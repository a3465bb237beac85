# syntax=docker/dockerfile:1
# One image for every role: `docker build -t bellbuoy:latest .`, then `docker run bellbuoy api` and so on.
#
# The dependencies are a layer of their own, made from nothing but the manifests: as long as those stay, a
# change of the code builds only what is ours.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# Which packages there are is held to the workspace by tests/house/packaging.rs.
COPY Cargo.toml Cargo.lock ./
COPY api/Cargo.toml api/
COPY bench/Cargo.toml bench/
COPY scheduler/Cargo.toml scheduler/
COPY shared/aws/Cargo.toml shared/aws/
COPY shared/config/Cargo.toml shared/config/
COPY shared/coordination/Cargo.toml shared/coordination/
COPY shared/crypto/Cargo.toml shared/crypto/
COPY shared/domain/Cargo.toml shared/domain/
COPY shared/files/Cargo.toml shared/files/
COPY shared/outbound/Cargo.toml shared/outbound/
COPY shared/queue/Cargo.toml shared/queue/
COPY shared/redis/Cargo.toml shared/redis/
COPY shared/runtime/Cargo.toml shared/runtime/
COPY shared/services/Cargo.toml shared/services/
COPY shared/store/Cargo.toml shared/store/
COPY shared/telemetry/Cargo.toml shared/telemetry/
COPY tests/harness/Cargo.toml tests/harness/
COPY worker/Cargo.toml worker/
# Cargo wants a target in each package; the empty ones are replaced below.
RUN for package in . api bench scheduler shared/* worker; do \
        mkdir -p "$package/src" && touch "$package/src/lib.rs" && echo 'fn main() {}' > "$package/src/main.rs"; \
    done \
    && touch tests/harness/harness.rs \
    && cargo build --release --locked --bin bellbuoy
COPY . .
# Cargo goes by the time of a file, and what was copied is older than what was built of the empty ones.
RUN find api scheduler shared src worker migrations -type f -exec touch {} + \
    && cargo build --release --locked --bin bellbuoy \
    && install -D --mode 0755 target/release/bellbuoy /image/usr/local/bin/bellbuoy \
    # Scanners read from it what is inside.
    && install -D --mode 0644 Cargo.lock /image/usr/share/doc/bellbuoy/Cargo.lock \
    && install -D --mode 0644 --target-directory /image/usr/share/doc/bellbuoy LICENSE-MIT LICENSE-APACHE \
    # The roots of TLS, without installing anything into the image that runs.
    && install -D --mode 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    # A volume that is mounted here for the first time takes over whose it is.
    && install -d --owner 10001 --group 10001 --mode 0700 /image/var/lib/bellbuoy/data

FROM debian:12.12-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Bellbuoy" \
      org.opencontainers.image.description="Self-hosted, multi-tenant alert and notification engine" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:12.12-slim"
COPY --from=build /image/ /
# What is not set otherwise is kept below ./data, which is the volume to mount.
WORKDIR /var/lib/bellbuoy
# In a container these are reachable as far as they are published: publish the first, never the second.
ENV BELLBUOY_HTTP_LISTEN=0.0.0.0:8080 \
    BELLBUOY_OPS_LISTEN=0.0.0.0:8081
EXPOSE 8080
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["bellbuoy", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["bellbuoy"]
CMD ["up"]
