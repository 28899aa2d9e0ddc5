# For those who can pull a base image; `npm run image` makes the same one out of this machine's own Node and Python, without any.
# The program is the argument: gateway/main.ts, federator/main.ts, agents/main.ts, cli/meridian.ts.
FROM node:26-slim AS program
WORKDIR /opt/meridian
COPY . .
# Node is the base image's, and so is not wanted once more among the packages.
RUN npm ci --omit=dev --no-audit --no-fund && rm -rf node_modules/node

FROM node:26-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3-minimal libpython3-stdlib ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o 65532 -g 65532 /var/lib/meridian
WORKDIR /opt/meridian
COPY --from=program /opt/meridian .
ENV NODE_ENV=production NODE_COMPILE_CACHE=/opt/meridian/node_modules/.cache/meridian
# Code is compiled ahead in the place and for the user that it is loaded in and by.
RUN install -d -o 65532 -g 65532 node_modules/.cache/meridian
USER 65532:65532
RUN node cli/prime-compile-cache.ts
ENTRYPOINT ["/usr/local/bin/node"]
CMD ["cli/meridian.ts", "--help"]
