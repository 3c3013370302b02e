/**
 * A connection has come in: turned away, or made a socket.
 */
import diagnostics from 'node:diagnostics_channel';
import { isIP } from 'node:net';
import { CORE_MAJOR } from '../core/version.ts';
import type { StreamHandle } from '../reactor/index.ts';
import { applySocketSettings } from '../socket-options.ts';
import { describeEndpoint } from '../core/endpoint-info.ts';
import { kConnectionTransport, kSettings, type NetSocket, type Settings } from './internals.ts';
import type { Link } from './link.ts';
import type { NetServer } from './server-internals.ts';
import { applySettings, settingsOf } from './settings.ts';
import { connectedOptions, Socket } from './socket.ts';

/** Whether 0 is a limit, of which no connection keeps within: from Node 22 on. */
const ZERO_IS_A_LIMIT = CORE_MAJOR >= 22;

const channel = diagnostics.channel('net.server.socket');

/**
 * Makes a socket of a connection and tells the server's listeners, unless the server wants no more or not this one.
 *
 * @param late how many connections, this one among them, the server counts without having been told of them
 */
export function acceptConnection(server: NetServer, link: Link, late = 0): void {
  const peer = link.handle!;
  if (!admits(server, peer, late)) {
    link.refuse();
    return;
  }
  const socket = new Socket(connectedOptions(link, server)) as NetSocket;
  if (server.noDelay || server.keepAlive) {
    socket[kSettings] = settingsFrom(server);
    applySettings(socket);
  }
  const own = server[kConnectionTransport];
  if (own !== undefined) applySocketSettings(peer, own);
  announce(server, socket);
}

/** Whether a server wants a connection; for the rest see {@link acceptConnection}. Where it has too many its listeners hear of that. */
export function admits(server: NetServer, peer: StreamHandle, late: number): boolean {
  if (!isFull(server, late)) return !isBlocked(server, peer);
  const ends = describeBothEnds(peer);
  if (ends === null) server.emit('drop');
  else server.emit('drop', ends);
  return false;
}

/** Tells a server's listeners of a connection. */
export function announce(server: NetServer, socket: NetSocket): void {
  server._connections++;
  socket.server = server;
  socket._server = server;
  server.emit('connection', socket);
  if (channel.hasSubscribers) channel.publish({ socket });
}

/** What the last connection of each server was given. */
const given = new WeakMap<NetServer, Settings>();

/** What a server asks of its connections: one object for all of them, unless the server changes its mind. */
function settingsFrom(server: NetServer): Settings {
  const { noDelay, keepAlive, keepAliveInitialDelay: delay } = server;
  const last = given.get(server);
  if (last?.noDelay === noDelay && last.keepAlive.enable === keepAlive && (!keepAlive || last.keepAlive.delay === delay))
    return last;
  const settings = settingsOf(noDelay, keepAlive, delay);
  given.set(server, settings);
  return settings;
}

function isFull({ maxConnections: most, _connections: count }: NetServer, late: number): boolean {
  return (ZERO_IS_A_LIMIT ? most != null : Boolean(most)) && count - late >= most;
}

/** What 'drop' tells its listeners; null for UNIX-domain sockets. */
function describeBothEnds(peer: StreamHandle): object | null {
  const local = peer.localEndpoint();
  const remote = peer.peerEndpoint();
  if (typeof local === 'object' && 'path' in local) return null;
  const own = typeof local === 'number' ? {} : describeEndpoint(local);
  const other = typeof remote === 'number' ? {} : describeEndpoint(remote);
  return Object.assign(Object.create(null) as object, {
    localAddress: own.address,
    localPort: own.port,
    localFamily: own.family,
    remoteAddress: other.address,
    remotePort: other.port,
    remoteFamily: other.family,
  });
}

function isBlocked(server: NetServer, peer: StreamHandle): boolean {
  if (server.blockList === undefined) return false;
  const remote = peer.peerEndpoint();
  if (typeof remote === 'number' || 'path' in remote) return false;
  return isIP(remote.address) !== 0 && server.blockList.check(remote.address, remote.family === 6 ? 'ipv6' : 'ipv4');
}
