/**
 * The transport: connections without a stream between a message and the kernel, with owned buffers and explicit life cycles. Where io_uring cannot be used it
 * runs on core's modules with the same classes; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import { threadWorker } from './thread-worker.ts';
import type { TransportWorker } from './worker.ts';

export { ClientPool, type ClientPoolOptions, type PoolPolicy } from './client-pool.ts';
export { Connection } from './connection.ts';
export type {
  CloseOptions,
  ConnectionAddress,
  ConnectionOptions,
  DetachedConnection,
  WriteManyOptions,
} from './connection-options.ts';
export { Datagram } from './datagram.ts';
export { DatagramClient } from './datagram-client.ts';
export type { SendManyOptions, SendOptions } from './datagram-sending.ts';
export { DatagramServer } from './datagram-server.ts';
export { DatagramSocket, type DatagramStreamOptions, type ReceiveOptions } from './datagram-socket.ts';
export { Multicast, type MembershipOptions } from './multicast.ts';
export type {
  DatagramOptions,
  UdpClientOptions,
  UdpOptions,
  UdpServerOptions,
  UnixDatagramClientOptions,
  UnixDatagramOptions,
  UnixDatagramServerOptions,
} from './opening-datagrams.ts';
export { defaults } from './defaults.ts';
export { withOptions, type WithOptions } from './freezing.ts';
export { TransportFile, type FileMode, type FilePosition, type FileReadOptions } from './file.ts';
export type { FileOptions } from './files.ts';
export { Payload } from './payload.ts';
export type { FileSource, SendFileOptions } from './sending-files.ts';
export { StreamServer } from './stream-server.ts';
export { Transport, type RestartOptions, type ThreadOptions, type TransportEvents, type TransportOptions } from './transport.ts';
export {
  TransportWorker,
  type AdoptOptions,
  type BufferCounts,
  type OnConnection,
  type TcpClientOptions,
  type TcpServerOptions,
  type UnixClientOptions,
  type UnixServerOptions,
  type WorkerEvents,
} from './worker.ts';
export type { WorkerInfo, WorkerState } from './worker-slot.ts';
export type { Ancillary } from '../reactor/index.ts';
export type {
  CommonSocketOptions,
  IpSocketOptions,
  TcpClientOptions as TcpClientSocketOptions,
  TcpServerOptions as TcpServerSocketOptions,
  TcpSocketOptions,
  UdpSocketOptions,
  UnixSocketOptions,
} from '../socket-options.ts';
export {
  PayloadReleasedError,
  type TimeoutKind,
  TransportClosedError,
  TransportTimeoutError,
  TransportUnavailableError,
  TransportWorkerError,
} from '../errors/iouring.ts';

/** The worker of the calling thread: the one that a {@link Transport} has made for it, where it has started the thread. */
export const worker: TransportWorker = threadWorker();
