/**
 * The connection below an HTTP/2 client.
 */
import { isIP, type Socket } from 'node:net';
import type { ClientSessionOptions, SecureClientSessionOptions } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ERR_HTTP2_UNSUPPORTED_PROTOCOL } from '../errors/core.ts';
import { exported } from '../exported.ts';
import { connect as connectPlain } from '../net/uring.ts';
import { connect as connectSecure } from '../tls/connect.ts';

type Options = ClientSessionOptions & SecureClientSessionOptions & { allowHTTP1?: boolean };
type Authority = Partial<Pick<URL, 'protocol' | 'port' | 'hostname' | 'host'>>;

/** Starts connecting to an authority, over TLS unless its protocol is `http:`. */
export function connectBelow(authority: Authority, options: Options): Duplex {
  const host = hostOf(authority);
  const protocol = authority.protocol || options.protocol || 'https:';
  const port = String(authority.port || (authority.protocol === 'http:' ? 80 : 443));
  if (protocol === 'http:') return (exported.net?.connect ?? connectPlain)({ port, host, ...options }) as Socket;
  if (protocol === 'https:') {
    const ALPNProtocols = options.allowHTTP1 === true ? ['h2', 'http/1.1'] : ['h2'];
    const servername = isIP(host) ? undefined : host;
    return (exported.tls?.connect ?? connectSecure)(port, host, {
      ALPNProtocols,
      servername,
      ...definedOf(options),
    }) as TLSSocket;
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
