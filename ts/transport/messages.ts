/** What a transport and its workers tell each other, by a channel of their own, so that `parentPort` is the application's. */
import type { MessagePort } from 'node:worker_threads';
import type { ReactorOptions } from '../reactor/index.ts';
import type { Parcel } from './parcel.ts';

/** What is moved with a message to another thread. Core's typings have had two names for what is in it, and none of their versions knows both. */
export type TransferList = NonNullable<Parameters<MessagePort['postMessage']>[1]>;

/** What a worker's thread is made with: its `workerData`. */
export interface WorkerSetup {
  readonly id: number;
  /** How many workers there are. */
  readonly workers: number;
  /** URL of the module that is run. */
  readonly module: string;
  /** What the module is called with. */
  readonly data: unknown;
  readonly reactor: ReactorOptions | undefined;
  /** The thread's end of the channel. */
  readonly channel: MessagePort;
}

/** An address of which a port is wanted, the same for all workers. */
export interface PortRequest {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly family: 4 | 6;
  readonly ipv6Only: boolean;
  /** The how many-th such server of the worker this is. */
  readonly index: number;
}

/** To a worker. */
export type ToWorker =
  | { readonly kind: 'message'; readonly from: number; readonly value: unknown }
  | { readonly kind: 'connection'; readonly from: number; readonly ticket: string; readonly parcel: Parcel }
  | { readonly kind: 'delivered'; readonly ticket: string; readonly isTaken: boolean }
  | { readonly kind: 'shutdown'; readonly gracefulTimeout: number }
  /** `result`: the port, or a negative errno. */
  | { readonly kind: 'port'; readonly request: number; readonly result: number };

/** From a worker. */
export type FromWorker =
  | { readonly kind: 'started' }
  | { readonly kind: 'failed'; readonly error: unknown; readonly code: unknown }
  | { readonly kind: 'message'; readonly to: number; readonly value: unknown; readonly transfer: TransferList }
  | { readonly kind: 'connection'; readonly to: number; readonly ticket: string; readonly parcel: Parcel }
  | { readonly kind: 'answer'; readonly ticket: string; readonly isTaken: boolean }
  | ({ readonly kind: 'reserve'; readonly request: number } & PortRequest);

/** What a worker has of its transport. */
export interface Home {
  /** How many workers there are. */
  readonly workers: number;
  /** Takes a message to another worker, or to the transport (0). */
  send(to: number, value: unknown, transfer: TransferList): void;
  /** Takes a connection to another worker: whether that has taken it. */
  deliver(to: number, parcel: Parcel): Promise<boolean>;
  /** A port that is the same for all workers, or a negative errno. */
  reservePort(request: PortRequest): Promise<number>;
}
