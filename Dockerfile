# syntax=docker/dockerfile:1
# `qavit serve` in a container, without compilers, as a user without rights.
#
#   docker build --target cpu -t qavit .
#   docker build --target cuda -t qavit:cuda .
#   docker run --init --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 qavit
#   docker run --init --rm --gpus all -v /srv/models/mine:/model:ro -p 127.0.0.1:8000:8000 qavit:cuda --model /model --device cuda
#
# Every option of `qavit serve --help` can follow, or be given as a variable; QAVIT_API_KEYS=key,key asks clients for a key. Another port is
# given as QAVIT_PORT, where the health check sees it.

ARG NODE_VERSION=22

FROM node:${NODE_VERSION}-bookworm-slim AS base
WORKDIR /app

FROM base AS modules
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM base AS build
RUN apt-get update \
  && apt-get install --yes --no-install-recommends cmake g++ make \
  && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json CMakeLists.txt ./
COPY native native
COPY lib lib
RUN npm run build:ts

FROM build AS cpu-addon
RUN npm run build:native

FROM build AS cuda-addon
# The toolkit is taken from NVIDIA's image; the addon needs nothing of it to run.
COPY --from=nvidia/cuda:13.0.1-devel-ubuntu24.04 /usr/local/cuda-13.0 /usr/local/cuda
COPY scripts/check-cubins.js scripts/
RUN npm run build:cuda

FROM base AS server
# Reached from outside the container only through the port that is published.
ENV NODE_ENV=production QAVIT_HOST=0.0.0.0 QAVIT_PORT=8000
COPY package.json LICENSE ./
COPY --from=modules /app/node_modules node_modules
COPY --from=build /app/dist/lib dist/lib
COPY assets assets
COPY models/demo models/demo
USER node
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.QAVIT_PORT + '/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/lib/cli/main.js", "serve"]

FROM server AS cuda
# What NVIDIA's container runtime brings in from the host: the driver, and nothing for displays.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-addon /app/build-cuda/Release/qavit.node build/Release/qavit.node

# The last one is what `docker build` makes when no target is named.
FROM server AS cpu
COPY --from=cpu-addon /app/build/Release/qavit.node build/Release/qavit.node
