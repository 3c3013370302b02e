/** The TypeScript end of the reactor; all that the facades use. */
export { showActiveHandles } from './active-handles.ts';
export { type Ancillary, describeControl } from './ancillary.ts';
export { AsyncScope } from './async-scope.ts';
export {
  DatagramHandle,
  SendGrouping,
  type DatagramKind,
  type DatagramReceiver,
  type ReceivedDatagram,
} from './datagram-handle.ts';
export { type SentReport } from './pending-sends.ts';
export { type Peer } from './peers.ts';
export { ListenHandle } from './listen-handle.ts';
export { FileOpKind, SocketOption } from './protocol.ts';
export { type Latencies, measureLatencies, type OperationKind } from './latencies.ts';
export type { ReceivedBuffers } from './received-buffers.ts';
export { ownCopy } from './own-copy.ts';
export { Reactor, type Stats, type Totals } from './reactor.ts';
export { mergeOptions } from './options.ts';
export type { ReactorDriver, ReactorOptions, ReactorSettings, SetupFlag, WorkerLimits } from './options.ts';
export {
  besideReactor,
  configureReactor,
  discardMemory,
  getReactor,
  makeReactor,
  offerWritten,
  reactorStats,
  reactorTotals,
  reportException,
  runTicks,
} from './thread-reactor.ts';
export { duplicateDescriptor, type Endpoint, type SocketKind } from './socket-handle.ts';
export { StreamHandle } from './stream-handle.ts';
export type { StreamListener, WriteEncoding } from './stream-listener.ts';
export { type FileRequest, type Found } from './file-requests.ts';
export { bytesOf, endChain, fileCall, lendingCall, type LendingRequest, RingFile } from './ring-file.ts';
export { withoutFirst } from './without-first.ts';
