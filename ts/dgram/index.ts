/**
 * `node:dgram` over io_uring: same names, signatures, events, options, defaults and errors; and, beyond it, many datagrams at once, UNIX
 * sockets, offload and ancillary data. Where io_uring cannot be used these are core's own exports, without the additions.
 *
 * @packageDocumentation
 */
import core from 'node:dgram';
import { selectSocketBackend } from '../socket-backend.ts';
import type { DgramAdditions, DgramOptions } from './types.ts';
import * as ring from './uring.ts';

const chosen = selectSocketBackend() === 'uring' ? ring : core;

/** A datagram socket, as core's. `instanceof` works both ways between this class and core's. */
export const Socket = chosen.Socket as unknown as Omit<typeof core.Socket, 'prototype'> & {
  new (...args: ConstructorParameters<typeof core.Socket>): core.Socket & DgramAdditions;
  prototype: core.Socket & DgramAdditions;
};
export type Socket = core.Socket & DgramAdditions;

/** Makes a socket: `(type[, listener])` or `(options[, listener])`. */
export const createSocket = chosen.createSocket as unknown as CreateSocket;

type Listener = NonNullable<Parameters<typeof core.createSocket>[1]>;

/** The forms of {@link createSocket}. */
export interface CreateSocket {
  (type: core.SocketType, listener?: Listener): Socket;
  (options: DgramOptions, listener?: Listener): Socket;
}

// Whatever is not named here is core's: what newer Node versions have, and what only older ones do.
export * from 'node:dgram';

export type { Ancillary } from '../reactor/index.ts';
export type { OutgoingMessage, SendManyOptions, SendResult } from './send-many.ts';
export type { MessagesOptions } from './iteration.ts';
export type { Message } from './receive.ts';
export type { DgramAdditions, DgramOptions } from './types.ts';
export type { CommonSocketOptions, UdpSocketOptions } from '../socket-options.ts';
export type { BindOptions, RemoteInfo, SocketOptions, SocketType } from 'node:dgram';
