# The program as one static file, in an image without a shell or libraries: nothing to patch but the program itself, and 49 MB.
# To look inside a running container, use the program's own commands: docker compose exec receiver /identity-webhooks doctor

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
# .git comes along: go build takes the version and the commit from it, and --version shows them.
COPY . .
# SQLite needs cgo. netgo and osusergo keep what glibc cannot link statically out, timetzdata adds the time zones.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=1 go build -trimpath -tags netgo,osusergo,timetzdata,sqlite_omit_load_extension \
      -ldflags '-s -w -linkmode external -extldflags -static' -o /image/identity-webhooks .
RUN mkdir -p /image/etc /volume/data && mkdir -m 1777 /volume/tmp && chmod 700 /volume/data \
    && echo 'webhooks:x:65532:65532::/data:/sbin/nologin' > /image/etc/passwd && echo 'webhooks:x:65532:' > /image/etc/group

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /volume /
USER 65532:65532
# The database is data/webhooks.db, so in the volume: the working directory is /.
VOLUME /data
ENV APP_ENV=production
# 8080 serves webhooks. The inspector and the admin API listen on 127.0.0.1:8081, so outside the container nobody reaches them. To
# change that, set ADMIN_ADDR=:8081 and a password.
EXPOSE 8080 8081
LABEL org.opencontainers.image.title="identity-webhooks" \
      org.opencontainers.image.description="Webhook consumer for identity verification" \
      org.opencontainers.image.licenses="MIT"
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/identity-webhooks", "healthcheck"]
ENTRYPOINT ["/identity-webhooks"]
