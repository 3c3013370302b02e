/**
 * The diagnostics channel `net.client.socket`: one message for every socket that is told to connect.
 */
import diagnostics from 'node:diagnostics_channel';
import { CORE_MAJOR, CORE_MINOR } from '../core/version.ts';
import { define } from '../define.ts';

const channel = diagnostics.channel('net.client.socket');

/** Whether core publishes in `socket.connect()` (from Node 22.17 and 24.2 on), and not in `net.connect()` alone. */
export const SAYS_SO_IN_CONNECT =
  CORE_MAJOR > 24 || (CORE_MAJOR === 24 && CORE_MINOR >= 2) || (CORE_MAJOR === 22 && CORE_MINOR >= 17);

/** Tells subscribers, if there are any, of a socket that is about to connect. */
export function announceClient(socket: object): void {
  if (channel.hasSubscribers) channel.publish({ socket });
}

/** Runs `action`, in which no core socket tells subscribers of itself: they did not ask for our own helpers. */
export function withoutAnnouncing(action: () => void): void {
  // Core asks this very object. Its own property hides that of the class, which depends on the subscribers.
  define(channel, 'hasSubscribers', { value: false, configurable: true });
  try {
    action();
  } finally {
    Reflect.deleteProperty(channel, 'hasSubscribers');
  }
}
