/**
 * Core's underscored members, all deprecated (DEP0112).
 */
import { deprecate } from 'node:util';
import { isSentAway } from '../core/sent-away.ts';
import { makeSendable, ShownHandle } from './shown-handle.ts';
import { type Bound, checkRunning, kState, type DgramSocket } from './state.ts';

const CODE = 'DEP0112';

function accessor(name: string, read: (socket: DgramSocket) => unknown, write: (socket: DgramSocket, value: any) => void) {
  const message = `Socket.prototype.${name} is deprecated`;
  return {
    configurable: true,
    enumerable: false,
    get: deprecate(
      function (this: DgramSocket) {
        return read(this);
      },
      message,
      CODE,
    ),
    set: deprecate(
      function (this: DgramSocket, value: unknown) {
        write(this, value);
      },
      message,
      CODE,
    ),
  };
}

function method(name: string, act: (socket: DgramSocket) => void) {
  return {
    configurable: true,
    enumerable: false,
    writable: true,
    value: deprecate(
      function (this: DgramSocket) {
        act(this);
      },
      `Socket.prototype.${name}() is deprecated`,
      CODE,
    ),
  };
}

function nothing(): void {}

/** What has the members of core's handles; for child_process, what it can send. Null on a socket that was closed. */
export function shownHandle(socket: DgramSocket): object | null {
  const state = socket[kState];
  if (state.closed) return null;
  return isSentAway(shownHandle) ? makeSendable(socket) : (state.shown ??= new ShownHandle(socket));
}

export const deprecatedAccessors: PropertyDescriptorMap = {
  _handle: accessor('_handle', shownHandle, nothing),
  _receiving: accessor(
    '_receiving',
    (socket) => socket[kState].receiving,
    (socket, value: boolean) => {
      socket[kState].receiving = value;
    },
  ),
  _bindState: accessor(
    '_bindState',
    (socket) => socket[kState].bound,
    (socket, value: Bound) => {
      socket[kState].bound = value;
    },
  ),
  _queue: accessor(
    '_queue',
    (socket) => socket[kState].queue,
    (socket, value: (() => void)[] | undefined) => {
      socket[kState].queue = value;
    },
  ),
  _reuseAddr: accessor(
    '_reuseAddr',
    (socket) => socket[kState].reuseAddr,
    (socket, value: unknown) => {
      socket[kState].reuseAddr = value;
    },
  ),
  _healthCheck: method('_healthCheck', (socket) => void checkRunning(socket)),
  _stopReceiving: method('_stopReceiving', (socket) => {
    const state = socket[kState];
    if (!state.receiving) return;
    state.handle?.receiveStop();
    state.receiving = false;
  }),
};
