/**
 * What core's http and https servers do with a connection, with what listeners throw reported where it is thrown.
 *
 * Core's parser calls back in a context of its own, that of the request. On a socket of core's it is fed by the handle, below all JavaScript, so that an
 * exception is reported in that context. On ours it is fed by a listener of 'data', and an exception would come back there, out of the request's
 * context: `uncaughtException` and domains would not know whose it is. And it would leave a parser behind that serves no further request.
 */
import core from 'node:http';
import type { Socket } from 'node:net';
import { guard } from '../net/core-calls.ts';
import { reportException } from '../reactor/index.ts';

type Listener = (this: core.Server, socket: Socket) => void;
type OnIncoming = (request: core.IncomingMessage, keepAlive: boolean) => number;
type OnBody = (this: Parser, bytes: unknown) => unknown;

/** Core's HTTPParser, as far as it is of interest here. */
interface Parser {
  onIncoming: OnIncoming | null;
  /** Callbacks, by numbers that the class tells. */
  [callback: number]: OnBody;
  constructor: { readonly kOnBody: number; readonly kOnExecute: number };
}

/** What a request without a listener's objection tells the parser: to go on with its body. */
const GO_ON = 0;

const { _connectionListener: serve } = core as unknown as { _connectionListener: Listener };

/** Has a server of core's class treat its connections so. `event` is what tells of them. */
export function reportInPlace(server: core.Server, event: 'connection' | 'secureConnection'): void {
  server.removeListener(event, serve);
  server.on(event, connectionListener);
}

/** In place of core's `_connectionListener`. */
export function connectionListener(this: core.Server, socket: Socket): void {
  serve.call(this, socket);
  const { parser } = socket as { parser?: Parser | null };
  if (!parser?.onIncoming) return;
  parser.onIncoming = guardIncoming(parser.onIncoming);
  // Parsers are used again; the callback of bodies, unlike the other, is the same for all and stays.
  const { kOnBody, kOnExecute } = parser.constructor;
  // Behind this one ticks run where the parser is fed by a handle: over TLS.
  if (parser[kOnExecute] !== undefined) parser[kOnExecute] = guard(parser[kOnExecute]);
  if (parser[kOnBody] !== guardedBody) {
    onBody = parser[kOnBody]!;
    parser[kOnBody] = guardedBody;
  }
}

function guardIncoming(onIncoming: OnIncoming): OnIncoming {
  return (request, keepAlive) => {
    try {
      return onIncoming(request, keepAlive);
    } catch (error) {
      reportException(error);
      return GO_ON;
    }
  };
}

let onBody: OnBody;

const guardedBody: OnBody = guard(function (this: Parser, bytes) {
  return onBody.call(this, bytes);
});
