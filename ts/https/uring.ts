/**
 * What `iouring-transport/https` has of its own where io_uring works.
 */
import type http from 'node:http';
import core from 'node:https';
import type { TLSSocket } from 'node:tls';
import { inPlaceOf } from '../core/in-place-of.ts';
import { type Callback, type Options, requestsThrough } from '../http/client.ts';
import { deriveFrom, method } from '../core/derived-class.ts';
import { reportInPlace } from '../http/connection.ts';
import { serveOverRing } from '../net/protocol-servers.ts';
import { exported } from '../exported.ts';
import { connect } from '../tls/connect.ts';

/** What core's agent has beyond its typings: the cache of sessions for resumption. */
type AgentMembers = core.Agent & {
  options: core.AgentOptions & { proxyEnv?: unknown };
  createConnection: Function;
  _getSession(key: string): Buffer | undefined;
  _cacheSession(key: string, session: Buffer): void;
  _evictSession(key: string): void;
};

interface ConnectionOptions extends core.RequestOptions {
  _agentKey?: string;
}

const coreConnection = (core.Agent.prototype as unknown as AgentMembers).createConnection;

function createConnection(this: AgentMembers, ...args: unknown[]): unknown {
  if (this.options?.proxyEnv !== undefined) return Reflect.apply(coreConnection, this, args) as unknown;
  const options = toOptions(args);
  const key = options._agentKey;
  const session = key === undefined ? undefined : this._getSession(key);
  const socket = (exported.tls?.connect ?? connect)(session === undefined ? options : { session, ...options }) as TLSSocket;
  if (key !== undefined) rememberSession(this, key, socket);
  return socket;
}

/** `(options)`, `(port[, options])` or `(port, host[, options])`. */
function toOptions(args: unknown[]): ConnectionOptions {
  const [port, host] = args;
  const options = {
    ...(args.find((argument) => typeof argument === 'object' && argument !== null) as ConnectionOptions | undefined),
  };
  if (typeof port === 'number') options.port = port;
  if (typeof host === 'string') options.host = host;
  return options;
}

function rememberSession(agent: AgentMembers, key: string, socket: TLSSocket): void {
  socket.on('session', (session: Buffer) => agent._cacheSession(key, session));
  socket.once('close', (hadError: boolean) => {
    if (hadError) agent._evictSession(key);
  });
}

/** Core's agent with our sockets. One that goes through a proxy (`proxyEnv`, from Node 24) is core's through and through. */
export const Agent = deriveFrom(core.Agent, { members: { createConnection: method(createConnection) } });

/** Core's server with our sockets. */
export const Server = serveOverRing(core.Server, {
  prepare: (server: core.Server) => reportInPlace(server, 'secureConnection'),
});

/** Makes a server: `([options][, requestListener])`. */
export function createServer(options?: core.ServerOptions, listener?: http.RequestListener): core.Server {
  return new Server(options!, listener);
}
inPlaceOf(core.createServer, createServer);

let agent: core.Agent | undefined;

/** The agent of requests that name none, made when it is first asked for. Settings are those of core's. */
export function getGlobalAgent(): core.Agent {
  return (agent ??= new Agent({ ...(core.globalAgent as AgentMembers).options }));
}

/** Exchanges it. */
export function setGlobalAgent(next: http.Agent): void {
  agent = next as core.Agent;
}

const coreRequest = core.request;

/**
 * Core's function makes the request. It has to be on the stack while an agent is asked for its protocol: agents that serve http and https alike, as those on
 * `agent-base`, know by that which of them they serve. It knows core's default agent alone, so that ours is named.
 */
function requestThroughCore({ _defaultAgent: ours, ...options }: Options, callback?: Callback): http.ClientRequest {
  const { agent, createConnection } = options;
  if (agent === false) options.agent = new (ours!.constructor as typeof Agent)();
  else if ((agent === undefined || agent === null) && typeof createConnection !== 'function') options.agent = ours;
  return coreRequest(options, callback);
}

export const { request, get } = requestsThrough(core, getGlobalAgent, requestThroughCore);
