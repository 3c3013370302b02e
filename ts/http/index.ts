/**
 * `node:http` over io_uring: core's protocol, its classes and functions, with our sockets below its servers and agents. Where io_uring cannot be
 * used these are core's own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import core from 'node:http';
import { loadConnectionPartsSoon } from '../net/connection-parts.ts';
import { selectSocketBackend } from '../socket-backend.ts';
import { mirrorAgent } from './global-agent.ts';
import * as ring from './uring.ts';

const usesRing = selectSocketBackend() === 'uring';
const chosen = (usesRing ? ring : core) as unknown as typeof core;

// Whatever is not named below is core's, also what newer Node versions have.
export * from 'node:http';

/** Pools connections for clients; they are our sockets. */
export const Agent = chosen.Agent;
export type Agent = core.Agent;

/** Serves HTTP on our sockets. */
export const Server = chosen.Server;
export type Server<
  Request extends typeof core.IncomingMessage = typeof core.IncomingMessage,
  Response extends typeof core.ServerResponse<InstanceType<Request>> = typeof core.ServerResponse,
> = core.Server<Request, Response>;

/** A request under way. */
export const ClientRequest = chosen.ClientRequest;
export type ClientRequest = core.ClientRequest;

/** Makes a server: `(options?, requestListener?)`. */
export const createServer = chosen.createServer;

/** Makes a request: `(url[, options][, callback])` or `(options[, callback])`. */
export const request = chosen.request;

/** Makes a GET request and ends it. */
export const get = chosen.get;

/**
 * Serves requests that name no agent: one of ours, apart from core's. Assigning another to the module's property (`http.globalAgent = agent`)
 * exchanges it, as with core.
 */
// eslint-disable-next-line prefer-const -- core types it so, and it may be assigned to.
export let globalAgent: core.Agent = usesRing ? ring.getGlobalAgent() : core.globalAgent;
if (usesRing) loadConnectionPartsSoon();
if (usesRing) mirrorAgent(exports, ring);
else mirrorAgent(exports, { getGlobalAgent: () => core.globalAgent, setGlobalAgent: (agent) => (core.globalAgent = agent) });

/** @internal */
export const { _connectionListener } = chosen as unknown as { _connectionListener: (socket: unknown) => void };

declare const exports: object;
