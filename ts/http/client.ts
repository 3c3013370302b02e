/**
 * Requests of core's http that take our agent where the caller names none.
 */
import core from 'node:http';
import { urlToHttpOptions, URL } from 'node:url';
import { inPlaceOf } from '../core/in-place-of.ts';
import { define } from '../define.ts';

type Callback = (response: core.IncomingMessage) => void;
type Options = core.RequestOptions & { _defaultAgent?: core.Agent };

/** The functions of a module that make requests. */
interface RequestFunctions {
  ClientRequest: typeof core.ClientRequest;
  request: typeof core.request;
  get: typeof core.get;
}

/** Whether `input` is a URL to core: one of another realm, or what looks like one and not like the options that `url.parse()` makes. */
function isURL(input: unknown): input is URL {
  const { href, protocol, auth, path } = (input ?? {}) as Record<string, unknown>;
  return Boolean(href && protocol && auth === undefined && path === undefined);
}

/** Makes them. `defaultAgent` is what serves a request that has no agent of its own, asked anew for each: `globalAgent` may be exchanged. */
export function requestsThrough(defaultAgent: () => core.Agent): RequestFunctions {
  function withAgent(args: unknown[]): [Options, Callback | undefined] {
    const [input, ...rest] = args;
    const isUrl = typeof input === 'string' || isURL(input);
    const fromUrl = isUrl ? urlToHttpOptions(typeof input === 'string' ? new URL(input) : input) : {};
    const [options, callback] = (isUrl ? rest : args) as [Options | Callback | undefined, Callback | undefined];
    // `_defaultAgent` is what https hands its agent over with: it serves where `agent` is absent, and is copied for `agent: false`.
    if (typeof options === 'function') return [{ _defaultAgent: defaultAgent(), ...fromUrl }, options];
    return [{ _defaultAgent: defaultAgent(), ...fromUrl, ...options }, callback];
  }

  function construct(this: unknown, ...args: unknown[]): core.ClientRequest | undefined {
    // A constructor from before there were classes calls this one on an object of its own.
    if (new.target === undefined && this instanceof core.ClientRequest) {
      Reflect.apply(core.ClientRequest as unknown as Function, this, withAgent(args));
      return undefined;
    }
    return Reflect.construct(core.ClientRequest, withAgent(args), new.target ?? core.ClientRequest) as core.ClientRequest;
  }
  // One prototype: a request is an instance of core's class and of this one, whoever made it.
  define(construct, 'prototype', { value: core.ClientRequest.prototype, writable: false });

  function request(...args: unknown[]): core.ClientRequest {
    return new core.ClientRequest(...withAgent(args));
  }

  function get(...args: unknown[]): core.ClientRequest {
    const made = request(...args);
    made.end();
    return made;
  }

  return {
    ClientRequest: inPlaceOf(core.ClientRequest, construct as unknown as typeof core.ClientRequest),
    request: inPlaceOf(core.request, request),
    get: inPlaceOf(core.get, get),
  };
}
