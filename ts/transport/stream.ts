/**
 * What a connection stands on: a handle of the ring, or a socket of core's that has the same face.
 *
 * Statuses are negative errnos, as those of the ring's handles.
 */
import type { Endpoint, ReceivedBuffers, StreamHandle, StreamListener } from '../reactor/index.ts';

/** The part of a {@link StreamHandle} that a connection uses. */
export interface TransportStream extends Pick<
  StreamHandle,
  | 'bytesRead'
  | 'bytesWritten'
  | 'writeQueueSize'
  | 'readStart'
  | 'readStop'
  | 'readCease'
  | 'write'
  | 'writev'
  | 'shutdown'
  | 'close'
  | 'reset'
  | 'fd'
  | 'ref'
  | 'unref'
  | 'localEndpoint'
  | 'peerEndpoint'
  | 'setOption'
> {
  listener: StreamListener;
  borrows: boolean;
  onclose: () => void;
  /** The kernel has taken a write. Asked for by who has time-outs. */
  ontaken: (() => void) | undefined;
  /** Writes bytes of which nobody may keep a view. True: over; false: `onwrite` follows. */
  writeCopied(bytes: Uint8Array): boolean;
  writeReceived(buffers: ReceivedBuffers, buffer: number, offset: number, length: number): boolean;
  /** Small segments at once. @returns zero, or a negative errno */
  setNoDelay(wanted: boolean): number;
}

/** An address and a port. */
export type InternetEndpoint = Exclude<Endpoint, { readonly path: string }>;

export type { Endpoint, StreamListener };
