# Two stages: the toolchain builds, a slim Debian runs. The binary carries Swift's libraries; libnghttp2 and OpenSSL are
# Debian's, so that its security updates reach them.
FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnghttp2-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build --configuration release --product billing-service --static-swift-stdlib \
    && install -D .build/release/billing-service /out/billing-service

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnghttp2-14 libssl3 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/billing-service /usr/local/bin/billing-service
USER 65532:65532
ENV BILLING_HTTP_HOST=0.0.0.0
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/billing-service"]
CMD ["serve"]
