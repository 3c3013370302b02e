/**
 * The connection below an HTTP/2 client, where somebody has replaced `net.connect`: core's http2, which asks its own module, would not ask who has.
 */
import { isIP } from 'node:net';
import type { ClientSessionOptions, SecureClientSessionOptions } from 'node:http2';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { ERR_HTTP2_UNSUPPORTED_PROTOCOL } from '../errors/core.ts';
import { connect as ownConnect, exported } from '../net/uring.ts';

type Options = ClientSessionOptions & SecureClientSessionOptions & { allowHTTP1?: boolean };
type Authority = Partial<Pick<URL, 'protocol' | 'port' | 'hostname' | 'host'>>;

/** Whether it has been replaced. */
export function isConnectReplaced(): boolean {
  return exported.net !== undefined && exported.net.connect !== ownConnect;
}

/** Starts connecting to an authority, over TLS unless its protocol is `http:`. */
export function connectBelow(authority: Authority, options: Options): Duplex {
  const host = hostOf(authority);
  const protocol = authority.protocol || options.protocol || 'https:';
  const port = String(authority.port || (authority.protocol === 'http:' ? 80 : 443));
  if (protocol === 'http:') return exported.net!.connect({ port, host, ...options }) as Duplex;
  if (protocol === 'https:') {
    const ALPNProtocols = options.allowHTTP1 === true ? ['h2', 'http/1.1'] : ['h2'];
    const servername = isIP(host) ? undefined : host;
    return tls.connect(port as never, host, { ALPNProtocols, servername, ...definedOf(options) });
  }
  throw new ERR_HTTP2_UNSUPPORTED_PROTOCOL(protocol);
}

function hostOf({ hostname, host }: Authority): string {
  if (!hostname) return host || 'localhost';
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** Options without those that are undefined, which mean the default. */
function definedOf(options: object): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => value !== undefined && name !== 'createConnection'),
  );
}
