/**
 * The transport: connections without a stream between a message and the kernel, with owned buffers and explicit life cycles. Where io_uring cannot be used it
 * runs on core's modules with the same classes; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import { TransportWorker } from './worker.ts';

export { ClientPool, type ClientPoolOptions, type PoolPolicy } from './client-pool.ts';
export { Connection } from './connection.ts';
export type { CloseOptions, ConnectionAddress, ConnectionOptions, WriteManyOptions } from './connection-options.ts';
export { Payload } from './payload.ts';
export { StreamServer } from './stream-server.ts';
export {
  TransportWorker,
  type BufferCounts,
  type TcpClientOptions,
  type TcpServerOptions,
  type UnixClientOptions,
  type UnixServerOptions,
} from './worker.ts';
export {
  PayloadReleasedError,
  type TimeoutKind,
  TransportClosedError,
  TransportTimeoutError,
  TransportUnavailableError,
} from '../errors/iouring.ts';

/** The transport of the calling thread. */
export const worker: TransportWorker = new TransportWorker(0);
