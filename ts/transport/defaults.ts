/** What servers, clients and pools are made with where nothing is said. Whatever else they can be made with is absent here, and keeps the system's value. */
import { deepFreeze } from './freezing.ts';

/** Connections of all kinds. */
const connection = { allowHalfOpen: false, payloadLimit: 256 * 1024, readTimeout: 0, writeTimeout: 0, idleTimeout: 0 };

/** Datagram sockets of all kinds. */
const datagrams = {
  payloadLimit: 1024 * 1024,
  readTimeout: 0,
  writeTimeout: 0,
  idleTimeout: 0,
  timestamp: false,
  dropCounter: false,
};

const udp = { ...datagrams, host: '127.0.0.1', gso: true, gro: false, packetInfo: false, tos: false };

/**
 * The defaults, a frozen object for each kind: {@link withOptions} makes options of them.
 *
 * `reusePort` is none of them, since it depends on where a server is made: true in the worker of a `Transport`, else false.
 */
export const defaults = deepFreeze({
  tcpServer: { ...connection, port: 0, host: '127.0.0.1', backlog: 511, ipv6Only: false, noDelay: true },
  tcpClient: { ...connection, host: '127.0.0.1', connectTimeout: 0, noDelay: true },
  unixServer: { ...connection, backlog: 511 },
  unixClient: { ...connection, connectTimeout: 0 },
  udpServer: { ...udp, port: 0, ipv6Only: false },
  udpClient: { ...udp, localPort: 0 },
  unixDatagramServer: { ...datagrams, credentials: false },
  unixDatagramClient: { ...datagrams, credentials: false },
  file: { mode: 'readOnly', create: false, truncate: false, permissions: 0o666 },
  pool: { size: 8, policy: 'round-robin', minBackoff: 50, maxBackoff: 5000, healthInterval: 0 },
  restart: { limit: 10, minBackoff: 100, maxBackoff: 10_000, resetAfter: 60_000 },
  close: { gracefulTimeout: 5000 },
} as const);
