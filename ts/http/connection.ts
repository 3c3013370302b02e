/**
 * What core's http and https servers do with a connection, with what listeners throw reported where it is thrown.
 *
 * Core's parser calls back in a context of its own, that of the request. On a socket of core's it is fed by the handle, below all JavaScript, so that an
 * exception is reported in that context. On ours it is fed by a listener of 'data', and an exception would come back there, out of the request's
 * context: `uncaughtException` and domains would not know whose it is. And it would leave a parser behind that serves no further request.
 *
 * What is not a request core sees to behind the parser, in the parser's context, which is that in which the server was told of the connection: 'clientError' and what
 * is done where nobody listens for it, and from Node 24 on also 'upgrade' and 'connect', which before had no context any more.
 */
import { AsyncResource } from 'node:async_hooks';
import core from 'node:http';
import type { Socket } from 'node:net';
import { CORE_MAJOR } from '../core/version.ts';
import { connectionParts } from '../net/connection-parts.ts';
import { reportException } from '../reactor/index.ts';

type Listener = (this: core.Server, socket: Socket) => void;
type OnIncoming = (request: core.IncomingMessage, keepAlive: boolean) => number;
/** How many bytes were parsed, or what is wrong with them. */
type Execute = (this: Parser, bytes: Buffer) => number | Error;
type OnBody = (this: Parser, bytes: unknown) => unknown;

/** Core's HTTPParser, as far as it is of interest here. */
interface Parser {
  onIncoming: OnIncoming | null;
  /** Whose parser it is at the moment. */
  socket: ParsedSocket | null;
  incoming: { readonly upgrade?: boolean } | null;
  execute: Execute;
  /** Whether a handle feeds it. */
  readonly _consumed?: boolean;
  /** Callbacks, by numbers that the class tells. */
  [callback: number]: OnBody;
  constructor: { readonly kOnBody: number; readonly kOnExecute: number };
}

/** What a request without a listener's objection tells the parser: to go on with its body. */
const GO_ON = 0;

/** Not by the name of core's own, which tools count. */
const CONTEXT = 'HTTPPARSERCONTEXT';

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
  // Over TLS the handle feeds it.
  if (parser._consumed !== true) {
    const onData = socket.listeners('data').at(-1) as OnData;
    (socket as ParsedSocket)[kParsing] = {
      context: new AsyncResource(CONTEXT),
      onData,
      outcome: undefined,
      paused: false,
    };
  }
  parser.onIncoming = guardIncoming(parser.onIncoming);
  // Parsers are used again; the callback of bodies, unlike the other, is the same for all and stays.
  const { guard } = connectionParts();
  const { kOnBody, kOnExecute } = parser.constructor;
  // Behind this one ticks run where the parser is fed by a handle: over TLS.
  if (parser[kOnExecute] !== undefined) parser[kOnExecute] = guard(parser[kOnExecute]);
  guardedBody ??= guard(function (this: Parser, bytes) {
    return onBody.call(this, bytes);
  });
  if (parser[kOnBody] !== guardedBody) {
    onBody = parser[kOnBody]!;
    parser[kOnBody] = guardedBody;
    execute = parser.execute;
    parser.execute = executeInContext;
  }
}

type OnData = (bytes: Buffer) => void;

/** How a connection's bytes are parsed: its parser's context, and core's listener, which feeds the parser and sees to what comes of it. */
interface Parsing {
  readonly context: AsyncResource;
  readonly onData: OnData;
  /** What comes of the bytes, where they have been parsed already. */
  outcome: number | Error | undefined;
  /** Whether core has paused the socket while they were. */
  paused: boolean;
}

const kParsing = Symbol('parsing');

interface ParsedSocket extends Socket {
  [kParsing]?: Parsing;
  /** Core's note that it has paused the socket, since more waits to be written than it wants. Nothing may be parsed then, it makes sure. */
  _paused: boolean;
}

/** From Node 24 on (seen; 22 does not) who has upgraded a connection is told of it in the parser's context. */
const UPGRADES_IN_CONTEXT = CORE_MAJOR >= 24;

/** Whether somebody else listens for the bytes: core's parser is fed by a listener then, too. */
function isReadByOthers(socket: Socket): boolean {
  return socket.listenerCount('data') > 1 || socket.listenerCount('readable') > 0;
}

let execute: Execute;

/** Parses; where core has more to do about the outcome, it is made to do it in the parser's context: it is called once more, and told the outcome. */
function executeInContext(this: Parser, bytes: Buffer): number | Error {
  const { socket } = this;
  const parsing = socket?.[kParsing];
  if (parsing?.outcome !== undefined) {
    socket!._paused = parsing.paused;
    return parsing.outcome;
  }
  const outcome = execute.call(this, bytes);
  const isRequest = typeof outcome === 'number' && !(UPGRADES_IN_CONTEXT && this.incoming?.upgrade === true);
  if (isRequest || parsing === undefined || isReadByOthers(socket!)) return outcome;
  parsing.outcome = outcome;
  // Its listener makes sure as it begins that it is not.
  parsing.paused = socket!._paused;
  socket!._paused = false;
  parsing.context.runInAsyncScope(parsing.onData, undefined, bytes);
  parsing.outcome = undefined;
  return bytes.length;
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

/** Made with the first connection. */
let guardedBody: OnBody | undefined;
