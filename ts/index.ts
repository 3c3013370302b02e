/**
 * io_uring for Node.js. The facades have entry points of their own (`iouring-transport/net`, …); this one tells whether this
 * process can use io_uring, and why not where it cannot.
 *
 * @packageDocumentation
 */
export {
  type Latencies,
  measureLatencies,
  type OperationKind,
  reactorStats as stats,
  reactorTotals as totals,
  type Stats,
  type Totals,
} from './reactor/index.ts';

export {
  configure,
  type ReactorDriver,
  type ReactorOptions,
  type ReactorSettings,
  type SetupFlag,
  type WorkerLimits,
} from './configuration.ts';
export { support, type Backend, type Support, type SupportFeatures } from './support.ts';
export {
  BufferGoneError,
  ChainError,
  IouringError,
  type IouringErrorCode,
  IouringUnavailableError,
  type MissingBindingReason,
  NotUnixSocketError,
  PayloadReleasedError,
  ReactorInUseError,
  RingFailedError,
  type TimeoutKind,
  TransportClosedError,
  TransportTimeoutError,
  TransportUnavailableError,
  TransportWorkerError,
  type TrialReason,
  type UnavailableReason,
} from './errors/iouring.ts';
