/**
 * What `iouring-transport/http` has of its own where io_uring works; everything else is core's.
 */
import core from 'node:http';
import coreNet from 'node:net';
import { inPlaceOf } from '../core/in-place-of.ts';
import { connect, exported } from '../net/uring.ts';
import { connectionListener, reportInPlace } from './connection.ts';
import { deriveFrom, method } from '../core/derived-class.ts';
import { requestsThrough } from './client.ts';
import { serveOverRing } from '../net/protocol-servers.ts';

type AgentMembers = core.Agent & { options: core.AgentOptions & { proxyEnv?: unknown }; createConnection: Function };

const coreConnection = (core.Agent.prototype as unknown as AgentMembers).createConnection;
/** Whether core's asks `net` for its function each time (from Node 22 on), so that who has put another there is asked. */
const ASKS_NET = coreConnection !== coreNet.createConnection;

/** Core's agent with our sockets. One that goes through a proxy (`proxyEnv`, from Node 24) is core's through and through. */
export const Agent = deriveFrom(core.Agent, {
  members: {
    createConnection: method(function createConnection(this: AgentMembers, ...args) {
      if (this.options?.proxyEnv !== undefined) return Reflect.apply(coreConnection, this, args) as unknown;
      return ASKS_NET && exported.net !== undefined ? exported.net.createConnection(...args) : connect(...args);
    }),
  },
});

/** Core's server with our sockets. */
export const Server = serveOverRing(core.Server, {
  prepare: (server: core.Server) => reportInPlace(server, 'connection'),
});

export { connectionListener as _connectionListener };

/** Makes a server: `(options?, requestListener?)`. */
export function createServer(options?: core.ServerOptions, listener?: core.RequestListener): core.Server {
  return new Server(options!, listener);
}
inPlaceOf(core.createServer, createServer);

let agent: core.Agent | undefined;

/** The agent of requests that name none, made when it is first asked for. Settings are those of core's. */
export function getGlobalAgent(): core.Agent {
  return (agent ??= new Agent({ ...(core.globalAgent as AgentMembers).options }));
}

/** Exchanges it. */
export function setGlobalAgent(next: core.Agent): void {
  agent = next;
}

export const { ClientRequest, request, get } = requestsThrough(getGlobalAgent);
