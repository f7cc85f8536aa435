/** Where an engine is, in the terms of the SDK, which puts `host:port` together and takes them apart again. */
export interface EngineAddress {
  host: string;
  port: string;
}

const forms = 'host:port, dns:host:port, dns://server/host:port, grpc(s)://host:port or http(s)://host:port';

/**
 * Parses the address of a Dapr sidecar's gRPC port, in the forms of DAPR_GRPC_ENDPOINT. `grpcs`, `https` (then the port
 * is 443 unless it says another) and `?tls=true` ask for TLS. Sockets are refused: the SDK has no way to name one.
 * @throws TypeError that says what is wrong.
 */
export function parseAddress(address: string): EngineAddress {
  const refuse = (what: string): TypeError =>
    new TypeError(`the address of the workflow engine ${what}: "${address}" (${forms})`);
  const { scheme, nameServer, rest } = split(address.trim());
  if (/^(?:unix|unix-abstract|vsock)$/.test(scheme)) {
    throw refuse('cannot be a socket: @dapr/dapr 3.18 reaches a sidecar by TCP only, so use its --dapr-grpc-port');
  }
  if (!/^(?:|dns|grpcs?|https?)$/.test(scheme)) throw refuse(`has the scheme ${scheme}, which is not known`);
  const [, host = '', givenPort, query = '', more = ''] =
    /^(\[[\da-f:.]+\]|[^\s:/?#@[\]]*)(?::([^/?]*))?\/?(\?[^#]*)?(.*)$/i.exec(rest) ?? [];
  if (more !== '') throw refuse(`has more than a host and a port (${more})`);
  if (host === '') throw refuse('has no host');
  if (query !== '' && (!/^\?tls=(?:true|false)$/.test(query) || scheme.startsWith('http'))) {
    throw refuse(`has the query ${query}, which is not known`);
  }
  const isSecure = scheme === 'https' || scheme === 'grpcs' || query === '?tls=true';
  const port = givenPort ?? (isSecure ? '443' : '');
  if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535) throw refuse('needs a port');
  return {
    host: nameServer === '' ? host : `dns://${nameServer}/${host}`,
    // The SDK takes the wish for TLS from here too; the schemes that say so make it print a warning.
    port: isSecure ? `${port}?tls=true` : port,
  };
}

function split(address: string): { scheme: string; nameServer: string; rest: string } {
  const [, nameServer, named] = /^dns:\/\/([^/]+)\/(.+)$/i.exec(address) ?? [];
  if (nameServer !== undefined && named !== undefined) return { scheme: 'dns', nameServer, rest: named };
  const [, scheme, rest] =
    /^([a-z][a-z\d+.-]*):\/\/(.*)$/i.exec(address) ??
    /^(dns|unix|unix-abstract|vsock):(?!\d+$)(.*)$/i.exec(address) ??
    [];
  return { scheme: scheme?.toLowerCase() ?? '', nameServer: '', rest: rest ?? address };
}
