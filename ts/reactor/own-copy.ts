/** Copies of received bytes. */
import { Buffer } from 'node:buffer';

/** Up to here bytes are copied one by one: cheaper than the call into native code that copies many. */
export const COPY_BY_HAND = 96;

/**
 * Copies bytes to a Buffer whose memory is the receiver's alone: it can be transferred, and `buffer.buffer` shows nothing else. Not from Node's pool, which
 * others have pieces of. Up to 64 bytes V8 makes no `ArrayBuffer` before somebody asks for it, which is cheaper than a piece of the pool.
 */
export function ownCopy(from: Uint8Array, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  if (length <= COPY_BY_HAND) for (let i = 0; i < length; i++) bytes[i] = from[offset + i]!;
  else bytes.set(from.subarray(offset, offset + length));
  return bytes;
}
