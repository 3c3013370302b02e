/**
 * What comes before a connect: a descriptor, with the options that the socket was made with, bound to the own end that was asked for.
 */
import type { StreamHandle } from '../reactor/index.ts';
import { applySocketSettings } from '../socket-options.ts';
import { kTransport, type NetSocket } from './internals.ts';
import type { Link } from './link.ts';
import { bindLocally, openHandle, type Target } from './target.ts';

/** Why an attempt cannot begin. */
export class Refusal {
  readonly error: Error;
  /** Every other attempt of the socket would be refused as well. */
  readonly always: boolean;

  constructor(error: Error, always: boolean) {
    this.error = error;
    this.always = always;
  }
}

/**
 * Makes a socket's descriptor ready to connect to a target. One that it has is used as it is, so that a second connect() fails as the system says.
 *
 * @returns the handle, which is the link's; the negative errno with which none could be opened; or why it cannot be used
 */
export function prepare(socket: NetSocket, link: Link, target: Target): StreamHandle | number | Refusal {
  let { handle } = link;
  if (handle === null) {
    const opened = openHandle(target);
    if (typeof opened === 'number') return opened;
    handle = opened;
    link.attach(handle);
    link.askForDescriptors(handle);
    const refused = applySocketSettings(handle, socket[kTransport]);
    if (refused !== null) return new Refusal(refused, true);
  }
  const failure = target.localAddress || target.localPort ? bindLocally(handle, target) : null;
  return failure === null ? handle : new Refusal(failure, false);
}
