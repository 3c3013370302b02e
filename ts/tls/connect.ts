/**
 * `tls.connect()`: our socket below core's TLSSocket.
 */
import core, { type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import { normalizeArguments } from '../net/arguments.ts';
import { connect as connectSocket } from '../net/module.ts';
import { adopt } from './secure-socket.ts';

/** What happens on the way to a connection, for those who listen on the TLSSocket. */
const ON_THE_WAY = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout', 'ready'];

/** `(options[, cb])`, `(path[, options][, cb])` or `(port[, host][, options][, cb])`. */
export function connect(...args: any[]): TLSSocket {
  const [given, callback] = normalizeArguments(args);
  const further = args.slice(1, 3).find((argument) => typeof argument === 'object' && argument !== null) as object | undefined;
  const options = { ...given, ...further } as ConnectionOptions & { onread?: unknown; signal?: unknown };

  // A buffer of the caller's is only filled by a handle of core's.
  if (options.onread) return core.connect(options, callback ?? undefined);
  if (options.socket) return secure(options, callback);

  const socket = connectSocket(optionsBelow(options));
  let secured: TLSSocket;
  try {
    secured = secure({ ...options, socket }, callback);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  if (options.timeout) secured.setTimeout(options.timeout);
  forward(socket, secured);
  return secured;
}

/** What is for the TLSSocket alone is not also for the socket below. */
function optionsBelow(options: object): object {
  return { ...options, timeout: undefined, signal: undefined, onread: undefined };
}

function secure(options: ConnectionOptions, callback: (() => void) | null): TLSSocket {
  const secured = core.connect(options, callback ?? undefined);
  adopt(secured);
  return secured;
}

function forward(socket: Socket, secured: TLSSocket): void {
  for (const event of ON_THE_WAY) socket.on(event, (...args: unknown[]) => secured.emit(event, ...args));
}
