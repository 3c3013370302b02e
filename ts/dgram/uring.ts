/**
 * The exports of `node:dgram`, over io_uring.
 */
import core from 'node:dgram';
import { inPlaceOf } from '../core/in-place-of.ts';
import { Socket } from './socket.ts';

export { Socket } from './socket.ts';

/** Makes a socket; it does nothing until it is told to bind or send. */
export function createSocket(type: any, listener?: any): core.Socket {
  return Reflect.construct(Socket, [type, listener]) as core.Socket;
}
inPlaceOf(core.createSocket, createSocket);
