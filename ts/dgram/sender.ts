/**
 * Answering: `rinfo.reply(payload[, callback])`, without looking any address up.
 */
import { Buffer } from 'node:buffer';
import { ERR_INVALID_ARG_TYPE, ERR_IP_BLOCKED, ERR_SOCKET_DGRAM_NOT_RUNNING } from '../errors/core.ts';
import { endpointException } from '../errors/system.ts';
import type { Peer } from '../reactor/index.ts';
import { nextTick } from '../timers.ts';
import { validateFunction } from '../validate.ts';
import { isListed, type State } from './state.ts';

/** What a payload can be, for messages of errors. */
export const PAYLOADS = ['Buffer', 'TypedArray', 'DataView', 'string'] as const;

export type Payload = string | ArrayBufferView;
export type SendCallback = (error: Error | null, bytes?: number) => void;

/** The sender of a datagram, to be answered. */
export class Sender {
  readonly reply: (payload: Payload, callback?: SendCallback) => void;

  constructor(state: State, peer: Peer) {
    this.reply = (payload, callback) => {
      if (state.closed || state.handle === null) throw new ERR_SOCKET_DGRAM_NOT_RUNNING();
      if (typeof payload !== 'string' && !ArrayBuffer.isView(payload))
        throw new ERR_INVALID_ARG_TYPE('payload', PAYLOADS, payload);
      if (callback !== undefined) validateFunction(callback, 'callback');
      const fail = (error: Error): void => {
        if (callback !== undefined) nextTick(callback, error);
      };
      if (isListed(state.sendBlockList, peer.address)) return fail(new ERR_IP_BLOCKED(peer.address));
      const report =
        callback &&
        ((result: number): void => {
          if (result < 0) callback(endpointException(result, 'send', peer.address, peer.port));
          else callback(null, result);
        });
      const status = state.handle.reply(toBytes(payload), peer, report);
      if (status < 0) fail(endpointException(status, 'send', peer.address, peer.port));
    };
  }
}

/** The bytes of a payload; shared with it where it has some. */
export function toBytes(payload: Payload): Uint8Array {
  if (typeof payload === 'string') return Buffer.from(payload);
  if (payload instanceof Uint8Array) return payload;
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}
