# The server for CPUs. Two small networks are built in; larger ones are pulled into the volume:
#   docker build -t skelmap . && docker run -p 8000:8000 -v skelmap-weights:/weights skelmap
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY pose_core pose_core
COPY app app
RUN python -m venv /opt/skelmap && /opt/skelmap/bin/pip install --no-cache-dir --constraint constraints.txt '.[cpu]'

FROM python:3.12-slim
COPY --from=build /opt/skelmap /opt/skelmap
RUN useradd --create-home --uid 10001 skelmap && install --directory --owner skelmap /weights
USER skelmap
ENV PATH=/opt/skelmap/bin:$PATH SKELMAP_HOME=/weights
EXPOSE 8000
CMD ["skelmap", "serve", "--host", "0.0.0.0"]
