/**
 * Who hears what becomes of a connection, and in which forms it takes strings.
 */
import { nothing } from './socket-handle.ts';

/** Encodings that can be written straight into the arena. */
export type WriteEncoding = 'utf8' | 'latin1' | 'ascii' | 'ucs2' | 'utf16le';

/**
 * Who hears what becomes of a connection: one object, since a function each would take nine words of every connection that does nothing.
 */
export interface StreamListener {
  /** Bytes have arrived. They are the receiver's own. */
  onread(bytes: Buffer): void;
  /** The same where `feedsCore`: they are the kernel's again after the call. */
  onlent(bytes: Uint8Array): void;
  /** The same where `borrows`: they stay where they are until they are let go of. */
  onborrowed?(buffer: number, offset: number, length: number): void;
  /** Nothing more will arrive: zero at the end of the stream, or an error. */
  onend(status: number): void;
  /** The kernel has taken the write, or it has failed. Once for each write that returned false, after it has returned. */
  onwrite(status: number): void;
  /** The same for a write that was made for a request. */
  onrequest(request: object, status: number): void;
  /** A write that returned true has failed after all. */
  onwriteerror(status: number): void;
  /** The sending half has been shut down. */
  onshutdown(status: number): void;
  /** Descriptors have arrived with the bytes that `onread` follows with. They are the receiver's own. `lost`: some did not get through. */
  ondescriptors(descriptors: number[], lost: boolean): void;
}

/** Nobody yet. */
export const DEAF: StreamListener = {
  onread: nothing,
  onlent: nothing,
  onend: nothing,
  onwrite: nothing,
  onrequest: nothing,
  onwriteerror: nothing,
  onshutdown: nothing,
  ondescriptors: nothing,
};
