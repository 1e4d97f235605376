# The build: better-sqlite3 is compiled where no prebuilt binary of it can be had.
FROM node:20-bookworm-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
# `npm ci` builds dist/, too. Optional and peer packages are tools that Prisma's client would like to have beside it.
RUN npm ci && npm prune --omit=dev --omit=optional --omit=peer

# What runs: Node.js itself, the built server and its production dependencies.
FROM node:20-bookworm-slim
ENV NODE_ENV=production \
    HEDDLE_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/prisma ./prisma
COPY --from=build /app/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const { HOST = '127.0.0.1', PORT = '4000' } = process.env; fetch(`http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${PORT}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Without tokens the server listens on loopback alone, which is the container's own: share the host's network,
#   docker run --network host --volume heddle-data:/data heddle
# or say who may call:
#   docker run --publish 4000:4000 --volume heddle-data:/data --env HOST=0.0.0.0 --env HEDDLE_TOKENS=…:read+launch heddle
CMD ["node", "dist/main.js"]
