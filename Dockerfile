# The server in a container; docs/deploy.md has the commands.
#   docker build -t skelmap .                          for CPUs
#   docker build -t skelmap:gpu --build-arg RUNTIME=gpu .          CUDA and cuDNN come as wheels: no CUDA base image
#   docker build -t skelmap:gpu-controlnet --build-arg RUNTIME=gpu --build-arg EXTRAS=controlnet .
# DEBIAN may name a mirror or a digest (debian@sha256:...); its Python has to be 3.11 or later.
ARG DEBIAN=debian:trixie-slim

FROM ${DEBIAN} AS system
RUN --mount=type=bind,source=deploy/image,target=/steps sh /steps/steps.sh python

FROM system AS build
ARG RUNTIME=cpu
ARG EXTRAS=
RUN --mount=type=bind,source=deploy/image,target=/steps sh /steps/steps.sh tools
RUN --mount=type=bind,source=deploy/image,target=/steps sh /steps/steps.sh dependencies "$RUNTIME" "$EXTRAS"
COPY pyproject.toml README.md LICENSE /src/
COPY pose_core /src/pose_core
COPY app /src/app
RUN --mount=type=bind,source=deploy/image,target=/steps sh /steps/steps.sh application /src

FROM system
ARG VERSION=0.1.0
ARG REVISION=unknown
# Licences: the code; the two networks inside, whose terms lie beside them. Debian's are in /usr/share/doc, those of the
# Python libraries in their .dist-info folders; the gpu image holds NVIDIA's libraries under NVIDIA's terms.
LABEL org.opencontainers.image.title="skelmap" \
      org.opencontainers.image.description="A photo in, 133 whole-body keypoints and a ControlNet skeleton map out." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.vendor="The Skelmap developers" \
      org.opencontainers.image.licenses="Apache-2.0 AND LicenseRef-skelmap-networks" \
      skelmap.networks.licence="pose_core/networks/LICENSE"
RUN --mount=type=bind,source=deploy/image,target=/steps sh /steps/steps.sh user
COPY deploy/image/healthcheck.py /opt/healthcheck.py
COPY --from=build /opt/skelmap /opt/skelmap
ENV PATH=/opt/skelmap/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    HOME=/tmp \
    SKELMAP_HOME=/weights
WORKDIR /tmp
USER 10001:10001
VOLUME ["/weights"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "/opt/healthcheck.py"]
ENTRYPOINT ["skelmap"]
CMD ["serve", "--host", "0.0.0.0"]
