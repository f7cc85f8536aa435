# One image for every process of the mesh; what it is depends on the command.
FROM node:24.21.0-bookworm-slim AS install
WORKDIR /mesh
COPY . .
RUN npx --yes pnpm@12.21.0 install --prod --frozen-lockfile

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /mesh
# A new volume takes its owner from here.
RUN install --directory --owner=node --group=node /data
COPY --from=install /mesh ./
USER node
VOLUME /data
ENTRYPOINT ["node"]
CMD ["coordinator/src/main.ts"]
