# The host of Sidegate: Node, the sources it runs as they are, and nothing else. It runs as nobody
# in particular and writes below /var/lib/sidegate alone.
#
#   docker build -t IMAGE .
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /sidegate
COPY package.json package-lock.json ./
# Not `npm ci`, which refuses the lock on other platforms than the one it was made on; no scripts,
# because the one that there is fetches Node for machines without it.
RUN npm install --omit=dev --ignore-scripts --no-save --no-audit --no-fund \
 && rm -rf node_modules/node node_modules/.bin/node

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /sidegate
COPY --from=packages /sidegate/node_modules node_modules
COPY package.json LICENSE ./
COPY istio istio
COPY host host
RUN ln -s /sidegate/host/cli/sidegate.mjs /usr/local/bin/sidegate \
 && install -d -o 10001 -g 10001 -m 700 /var/lib/sidegate
USER 10001:10001
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "host/main.ts"]
CMD ["--resources=/etc/sidegate", "--store=/var/lib/sidegate"]
