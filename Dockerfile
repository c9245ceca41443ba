# Four stages: the libraries from Debian, the files that are put into the program, the build with the toolchain, and the
# image with the results.
#
# A release pins both bases by digest (--build-arg SWIFT_IMAGE=swift@sha256:...), so that the same sources make the same
# image. Neither base is part of the result.
ARG SWIFT_IMAGE=swift:6.3-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

# Only the libraries: 13 MB. A Debian image with the same packages has 133 MB, a shell, a package manager and 11
# setuid files, which help an attacker. The libraries are from Debian's packages, installed by name: a rebuild with
# --no-cache or a newer base has Debian's security updates. /var/lib/dpkg/status.d lists them for scanners, which look
# there in images without dpkg. If you need a shell beside the service, use kubectl debug.
FROM ${DEBIAN_IMAGE} AS libraries
ARG PACKAGES="base-files ca-certificates libc6 libgcc-s1 libhiredis0.14 libnghttp2-14 libsqlite3-0 libssl3 libstdc++6 openssl zlib1g"
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ${PACKAGES} \
    && rm -rf /var/lib/apt/lists/*
# Libraries, settings and copyright of each package. OpenSSL is here for /etc/ssl/openssl.cnf and the place where
# the library looks for certificates; these are one file, and /usr/lib/ssl/cert.pem leads there.
RUN set -eu \
    && mkdir -p /image/usr/lib /image/usr/lib64 /image/var/lib/dpkg/status.d /image/etc/ssl/certs \
    && ln -s usr/lib usr/lib64 /image/ \
    && mkdir -m 1777 /image/tmp \
    && mkdir /image/dev /image/proc /image/run /image/sys \
    && for package in ${PACKAGES}; do \
        dpkg-query --status "$package" > "/image/var/lib/dpkg/status.d/$package"; \
        dpkg-query --listfiles "$package"; \
    done | sort -u \
        | grep -E -e '^(/usr)?/lib(64)?/' -e '^/etc/(ssl/openssl\.cnf|os-release)$' \
            -e '^/usr/share/doc/[^/]+/copyright$' \
        | grep -E -v -e '/(gconv|audit|engines-3|ossl-modules|tmpfiles\.d|ssl/misc)(/|$)' \
            -e '/lib(memusage|pcprofile|c_malloc_debug|thread_db|nss_compat|nss_hesiod|nsl|BrokenLocale)[-.]' \
        | while read -r file; do if [ -L "$file" ] || [ -f "$file" ]; then echo "$file"; fi; done \
        | tar --create --no-recursion --files-from=- 2>/dev/null \
        | tar --extract --directory /image --keep-directory-symlink \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && ln -sf /etc/ssl/certs/ca-certificates.crt /image/usr/lib/ssl/cert.pem \
    && printf 'root:x:0:0::/:/\nbilling:x:65532:65532::/:/\n' > /image/etc/passwd \
    && printf 'root:x:0:\nbilling:x:65532:\n' > /image/etc/group \
    && echo 'hosts: files dns' > /image/etc/nsswitch.conf

# Nothing of this stage is part of the image but the two files, inside of the program.
FROM ${DEBIAN_IMAGE} AS assets
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# A mirror of PyPI, if the machine reaches no other.
ARG PIP_INDEX_URL
COPY scripts/requirements-assets.txt scripts/
RUN python3 -m venv .venv && .venv/bin/pip install --no-deps --requirement scripts/requirements-assets.txt
COPY scripts/assets.py scripts/
COPY openapi.yaml ./
RUN .venv/bin/python scripts/assets.py

FROM ${SWIFT_IMAGE} AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        binutils jq libhiredis-dev libnghttp2-dev libsqlite3-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# The dependencies first: they are fetched again only when they change. Package.resolved is optional, hence the pattern.
COPY Package.swift Package.resolve[d] ./
RUN swift package --disable-dependency-cache resolve
# The contract is embedded in the binary.
COPY openapi.yaml ./
COPY --from=assets /source/.build/assets .build/assets
COPY Sources Sources
# SwiftPM needs the folders of all targets, so the tests are copied too. They are not built.
COPY Tests Tests
# Strip debug sections: 25 MB that are not used at run time. Keep the symbol table, for names in backtraces: 20 MB on
# the disk, 3.5 MB of the download. swift-backtrace-static (7 MB) prints the backtraces.
RUN set -eu \
    && swift build --configuration release --static-swift-stdlib --product billing-service \
        --disable-automatic-resolution \
    && install -D .build/release/billing-service /out/usr/local/bin/billing-service \
    && strip --strip-debug /out/usr/local/bin/billing-service \
    && resources=$(swift -print-target-info | jq --raw-output .paths.runtimeResourcePath) \
    && install -D "$resources/../../libexec/swift/linux/swift-backtrace-static" -t /out/usr/libexec/swift/linux \
    && strip --strip-all /out/usr/libexec/swift/linux/swift-backtrace-static
# A missing library fails here and not in production.
COPY --from=libraries /image /image
RUN cp -R /out/. /image/ && chroot /image /usr/local/bin/billing-service --help > /dev/null \
    && ! chroot /image /usr/libexec/swift/linux/swift-backtrace-static --help 2>&1 | grep 'error while loading'
COPY scripts/requirements-assets.txt scripts/sbom.sh scripts/
ARG VERSION=0.0.0
ARG CREATED=1970-01-01T00:00:00Z
RUN mkdir -p /out/usr/share/doc/billing-service \
    && scripts/sbom.sh "${VERSION}" "${CREATED}" /image > /out/usr/share/doc/billing-service/sbom.spdx.json

FROM scratch
COPY --from=libraries /image /
COPY --from=build /out /
# Any number other than root's: Kubernetes checks runAsNonRoot with a number, not with a name.
USER 65532:65532
# Clients are outside of the container, so it listens on all addresses. `sandbox` writes its credentials to a temporary
# file: /dev/shm is writable with a read-only root, and is not a disk. Nothing else is written. Backtraces go to stderr,
# without registers and memory, which may contain tokens, and with the images that line numbers need.
ENV BILLING_HTTP_HOST=0.0.0.0 \
    BILLING_OPS_HOST=0.0.0.0 \
    TMPDIR=/dev/shm \
    SWIFT_BACKTRACE=enable=yes,color=no,interactive=no,threads=crashed,registers=none,images=mentioned,\
symbolicate=fast,swift-backtrace=/usr/libexec/swift/linux/swift-backtrace-static
EXPOSE 8080 8443 9090
# A shutdown takes up to shutdown.delay plus shutdown.grace (25 s): stop with --time 30.
STOPSIGNAL SIGTERM
# It uses BILLING_OPS_HOST and BILLING_OPS_PORT like the service, but not the file of --config.
# A container that is not ready for 30 s is unhealthy.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 CMD ["/usr/local/bin/billing-service", "health"]
ENTRYPOINT ["/usr/local/bin/billing-service"]
CMD ["serve"]
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="billing-service" \
    org.opencontainers.image.description="A server in front of Zoom's Billing API, over HTTP/2 and HTTP/1.1" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
