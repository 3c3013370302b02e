/**
 * `node:https` with our sockets below its servers and agents. Where io_uring cannot be used these are core's own exports; `support()` of the main
 * entry point tells why.
 *
 * @packageDocumentation
 */
import type http from 'node:http';
import core from 'node:https';
import { mirrorAgent } from '../http/global-agent.ts';
import { selectSocketBackend } from '../socket-backend.ts';
import * as ring from './uring.ts';

const usesRing = selectSocketBackend() === 'uring';
const chosen = (usesRing ? ring : core) as unknown as typeof core;

// Whatever is not named below is core's, also what newer Node versions have.
export * from 'node:https';

/** Pools connections for clients, and remembers their TLS sessions; they are our sockets. */
export const Agent = chosen.Agent;
export type Agent = core.Agent;

/** Serves HTTPS on our sockets. */
export const Server = chosen.Server;
export type Server<
  Request extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  Response extends typeof http.ServerResponse<InstanceType<Request>> = typeof http.ServerResponse,
> = core.Server<Request, Response>;

/** Makes a server: `([options][, requestListener])`. */
export const createServer = chosen.createServer;

/** Makes a request: `(url[, options][, callback])` or `(options[, callback])`. */
export const request = chosen.request;

/** Makes a GET request and ends it. */
export const get = chosen.get;

/** Serves requests that name no agent; may be exchanged by assignment to the module's property. */
// eslint-disable-next-line prefer-const -- core types it so, and it may be assigned to.
export let globalAgent: core.Agent = usesRing ? ring.getGlobalAgent() : core.globalAgent;
if (usesRing) mirrorAgent(exports, ring);
else
  mirrorAgent(exports, {
    getGlobalAgent: () => core.globalAgent,
    setGlobalAgent: (agent) => (core.globalAgent = agent as core.Agent),
  });

declare const exports: object;
