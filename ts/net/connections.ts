/**
 * What connections are made of: a file of its own in the build, for programs that have none yet. `connection-parts.ts` loads it.
 */
import type core from 'node:net';
import { normalizeArguments } from './arguments.ts';
import { announceClient, SAYS_SO_IN_CONNECT } from './client-channel.ts';
import { connectedOptions, Socket, type SocketOptions } from './socket.ts';

export { guard } from './core-calls.ts';
export { acceptConnection } from './accept.ts';
export { peerCredentials, receiveDescriptors, sendDescriptors } from './descriptors.ts';
export { acceptForLibuv } from './libuv-socket.ts';
export { Link } from './link.ts';
export { connectedOptions, Socket };

/** Makes a socket and connects it. */
export function connect(args: readonly any[]): core.Socket {
  const normalized = normalizeArguments(args);
  const options = normalized[0] as SocketOptions & { timeout?: number };
  const socket = new Socket(options);
  if (!SAYS_SO_IN_CONNECT) announceClient(socket);
  if (options.timeout) socket.setTimeout(options.timeout);
  return Reflect.apply(socket.connect, socket, [normalized]) as core.Socket;
}
