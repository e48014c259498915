# The image of the operator, the proxies and the command line. Build it at the root of the repository:
#   docker build -t REGISTRY/gitaly-operator:0.1.0 .

FROM node:26-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The bundler needs no install script of any package.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
# The same command also bundles the stand-ins for tests, which stay in this stage.
COPY test ./test
RUN npm run build && rm -r dist/test && echo '{"type":"module"}' > dist/package.json

FROM node:26-bookworm-slim
WORKDIR /app
COPY --from=build /build/dist ./
# Nothing is written, and every file may be read by any user: the chart and the operator name their own.
USER 65532:65532
# Without the base image's entry point a command is what runs: `node /app/operator.js`,
# `node /app/proxy.js --config FILE` or `node /app/cli.js`.
ENTRYPOINT []
CMD ["node", "/app/operator.js"]
