import { createHash } from 'node:crypto';
import { AgentCard, type AgentInterface } from '@a2a-js/sdk';
import type { RequestHandler } from 'express';

const paths: Readonly<Record<string, string>> = { JSONRPC: '/a2a/jsonrpc', 'HTTP+JSON': '/a2a/rest' };

/** The card with the addresses this server really has, and the token it really demands. */
export function completeCard(card: AgentCard, url: string, needsToken: boolean): AgentCard {
  const supportedInterfaces = card.supportedInterfaces.map((each): AgentInterface => {
    const path = paths[each.protocolBinding];
    return path === undefined ? each : { ...each, url: `${url}${path}` };
  });
  if (!needsToken || card.securitySchemes['bearer']) return { ...card, supportedInterfaces };
  return {
    ...card,
    supportedInterfaces,
    securitySchemes: {
      ...card.securitySchemes,
      bearer: {
        scheme: {
          $case: 'httpAuthSecurityScheme',
          value: { description: '', scheme: 'Bearer', bearerFormat: '' },
        },
      },
    },
    securityRequirements: [...card.securityRequirements, { schemes: { bearer: { list: [] } } }],
  };
}

/** Serves the card in exact ProtoJSON, to be cached and revalidated (A2A specification, 8.6). */
export function createCardHandler(card: AgentCard): RequestHandler {
  const body = JSON.stringify(AgentCard.toJSON(card));
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  // HTTP dates have whole seconds.
  const lastModified = new Date(Math.floor(Date.now() / 1000) * 1000).toUTCString();
  return (request, response) => {
    response.setHeader('ETag', etag);
    response.setHeader('Last-Modified', lastModified);
    response.setHeader('Cache-Control', 'public, max-age=60');
    if (request.fresh) {
      response.status(304).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
    });
    response.end(body);
  };
}
