/**
 * From a host name to addresses: options checked, the name looked up, the answers sorted out.
 */
import core, { isIP } from 'node:net';
import process from 'node:process';
import { CORE_MAJOR } from '../core/version.ts';
import { ERR_INVALID_ADDRESS_FAMILY, ERR_INVALID_ARG_TYPE, ERR_INVALID_IP_ADDRESS } from '../errors/core.ts';
import { nextTick } from '../timers.ts';
import {
  validateBoolean,
  validateFunction,
  validateInt32,
  validateNumber,
  validatePort,
  validateString,
  validateStringWithoutNullBytes,
} from '../validate.ts';
import { connectTo } from './attempt.ts';
import { kLink, type NetSocket } from './internals.ts';
import { raceTo } from './race.ts';
import type { Target } from './target.ts';

/** Whether core checks a host before anything is done with it: from Node 22 on. */
const CHECKS_HOSTS = CORE_MAJOR >= 22;

/** Shortest time an attempt gets before the next one starts, in ms. */
const SHORTEST_ATTEMPT = 10;

interface Route {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  /** What errors print: the caller's own words. */
  readonly asked: { readonly host: unknown; readonly port: unknown };
  /** How long an attempt goes on alone, in ms. */
  readonly attemptTimeout: number;
}

interface Answer {
  address: string;
  family: number;
}

type Lookup = (host: string, options: object, callback: (error: Error | null, ...answer: any[]) => void) => void;

/** Checks the options of a TCP connect, looks the host up where it is a name, and connects. */
export function lookUpAndConnect(socket: NetSocket, options: Record<string, any>): void {
  const route = toRoute(options);
  const race = selectsFamily(options);
  const family = isIP(route.host);
  if (family !== 0) {
    nextTick(() => {
      if (!gone(socket)) connectTo(socket, toTarget(route, route.host, family));
    });
    return;
  }

  if (options['lookup'] != null) validateFunction(options['lookup'], 'options.lookup');
  const lookup: Lookup = options['lookup'] || process.getBuiltinModule('node:dns').lookup;
  const query = toQuery(options);
  const several = race && query.family !== 4 && query.family !== 6 && !route.localAddress;
  socket._host = route.host;
  if (several)
    lookup(route.host, { ...query, all: true }, (error, addresses: ArrayLike<Answer>) => tryAll(socket, route, error, addresses));
  else lookup(route.host, query, (error, address, answered) => tryOne(socket, route, error, address, answered));
}

function toRoute(options: Record<string, any>): Route {
  const { localAddress, localPort, port } = options;
  const host = toHost(options['host'] || 'localhost');
  if (localAddress && !isIP(localAddress)) throw new ERR_INVALID_IP_ADDRESS(localAddress);
  if (localPort) validateNumber(localPort, 'options.localPort');
  if (port !== undefined) {
    if (typeof port !== 'number' && typeof port !== 'string') {
      throw new ERR_INVALID_ARG_TYPE('options.port', ['number', 'string'], port);
    }
    validatePort(port);
  }
  const attemptTimeout = toAttemptTimeout(options);
  return {
    host,
    port: Number(port) | 0,
    localAddress: localAddress && String(localAddress),
    localPort,
    asked: { host: options['host'], port },
    attemptTimeout,
  };
}

/** An address is to be a string; what is none (an array of one reads as one), older versions of core pass on to be looked up. */
function toHost(host: unknown): string {
  if (CHECKS_HOSTS) validateStringWithoutNullBytes(host, 'options.host');
  else if (isIP(host as string) !== 0) validateString(host, 'options.host');
  return host as string;
}

/** Whether to race the addresses of both families. The default is core's, for both of us. */
function selectsFamily({ autoSelectFamily }: Record<string, any>): boolean {
  if (autoSelectFamily == null) return core.getDefaultAutoSelectFamily();
  validateBoolean(autoSelectFamily, 'options.autoSelectFamily');
  return autoSelectFamily;
}

function toAttemptTimeout({ autoSelectFamily, autoSelectFamilyAttemptTimeout: timeout }: Record<string, any>): number {
  if (autoSelectFamily != null) validateBoolean(autoSelectFamily, 'options.autoSelectFamily');
  if (timeout == null) return core.getDefaultAutoSelectFamilyAttemptTimeout();
  validateInt32(timeout, 'options.autoSelectFamilyAttemptTimeout', 1);
  return Math.max(timeout, SHORTEST_ATTEMPT);
}

function toQuery(options: Record<string, any>): { family: unknown; hints: number } {
  const asked: unknown = options['family'];
  const family = asked === 'IPv4' ? 4 : asked === 'IPv6' ? 6 : asked;
  const hints: number = options['hints'] || 0;
  return { family, hints: hints === 0 && family !== 4 && family !== 6 ? process.getBuiltinModule('node:dns').ADDRCONFIG : hints };
}

function toTarget({ port, localAddress, localPort }: Route, address: string, family: number): Target {
  const ownAddress = localAddress || (localPort ? (family === 6 ? '::' : '0.0.0.0') : undefined);
  return { address, port, family: family as 4 | 6, localAddress: ownAddress, localPort };
}

/** Whether the socket has been destroyed meanwhile, or child_process was told to send it. */
function gone(socket: NetSocket): boolean {
  return !socket.connecting || socket[kLink] === null;
}

/** The lookup gave one address, or none. */
function tryOne(socket: NetSocket, route: Route, error: Error | null, address: string, family: number): void {
  socket.emit('lookup', error, address, family, route.host);
  if (gone(socket)) return;
  const refusal = error ?? unusable(route, address, family);
  if (refusal !== null) {
    destroyNextTick(socket, refusal);
    return;
  }
  socket._unrefTimer();
  connectTo(socket, toTarget(route, address, family));
}

function unusable({ asked }: Route, address: string, family: number): Error | null {
  if (!isAddress(address)) return new ERR_INVALID_IP_ADDRESS(address);
  return isFamily(family) ? null : new ERR_INVALID_ADDRESS_FAMILY(family, asked.host, asked.port);
}

/** An array of one address reads as that address. */
function isAddress(address: unknown): boolean {
  return typeof address === 'string' && isIP(address) !== 0;
}

function isFamily(family: number): family is 4 | 6 {
  return family === 4 || family === 6;
}

/** The lookup gave all addresses it knows, or none. */
function tryAll(socket: NetSocket, route: Route, error: Error | null, addresses: ArrayLike<Answer>): void {
  if (gone(socket)) return;
  if (error) {
    socket.emit('lookup', error, undefined, undefined, route.host);
    destroyNextTick(socket, error);
    return;
  }

  // Whatever a lookup of the user's answers with is read as core reads it: a string has places too.
  const answers: Answer[] = [];
  for (let at = 0, count = addresses.length; at < count; at++) {
    const address = addresses[at];
    const { address: ip, family } = address;
    socket.emit('lookup', error, ip, family, route.host);
    if (gone(socket)) return;
    answers.push({ address: ip, family });
  }
  const targets = interleave(answers).map(({ address, family }) => toTarget(route, address, family));
  if (targets.length === 0) {
    const { address, family } = addresses[0];
    destroyNextTick(socket, unusable(route, address, family)!);
    return;
  }
  socket._unrefTimer();
  if (targets.length === 1) connectTo(socket, targets[0]);
  else raceTo(socket, targets, route.attemptTimeout);
}

/** Usable addresses, each once, families in turn, the first answer's family first. */
function interleave(answers: readonly Answer[]): Answer[] {
  const usable = answers.filter(({ address, family }) => isAddress(address) && isFamily(family));
  const distinct = usable.filter((answer, at) => usable.findIndex((other) => sameAddress(other, answer)) === at);
  const preferred = distinct.filter(({ family }) => family === distinct[0].family);
  const others = distinct.filter(({ family }) => family !== distinct[0].family);
  const ordered: Answer[] = [];
  for (let at = 0; at < Math.max(preferred.length, others.length); at++) {
    if (at < preferred.length) ordered.push(preferred[at]);
    if (at < others.length) ordered.push(others[at]);
  }
  return ordered;
}

function sameAddress(one: Answer, other: Answer): boolean {
  return one.family === other.family && one.address === other.address;
}

/** Reports an error that is known before anybody can have put a listener on the socket. */
function destroyNextTick(socket: NetSocket, error: Error): void {
  nextTick(() => socket.destroy(error));
}
