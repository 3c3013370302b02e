/**
 * The types of what goes beyond core.
 */
import type core from 'node:dgram';
import type { BlockList } from 'node:net';
import type { OutgoingMessage, SendManyOptions, SendResult } from './send-many.ts';
import type { UdpSocketOptions } from '../socket-options.ts';
import type { MessagesOptions } from './iteration.ts';
import type { Message } from './receive.ts';

/** Options of `createSocket`: core's, and these. */
export interface DgramOptions extends Omit<core.SocketOptions, 'type'> {
  /** `unix_dgram` is a UNIX-domain datagram socket. */
  type: core.SocketType | 'unix_dgram';
  /**
   * Share the port with other sockets of this user, and its load (`SO_REUSEPORT`).
   *
   * @default false
   */
  reusePort?: boolean;
  /** Senders whose datagrams are dropped. */
  receiveBlockList?: BlockList;
  /** Addresses that nothing is sent to. */
  sendBlockList?: BlockList;
  /**
   * `rinfo.reply(payload[, callback])` answers the sender.
   *
   * @default false
   */
  reply?: boolean;
  /**
   * Let the kernel put datagrams of one flow together (`UDP_GRO`); they are taken apart again here.
   *
   * @default false
   */
  gro?: boolean;
  /**
   * Let datagrams of one size that follow each other to one destination go through the kernel as one (`UDP_SEGMENT`): those of one `sendMany` where it
   * is absent, all of one tick where it is true, none where it is false. Where the kernel cannot they go one by one.
   */
  gso?: boolean;
  /**
   * `rinfo.ancillary.destination` and `.interfaceIndex`.
   *
   * @default false
   */
  packetInfo?: boolean;
  /**
   * `rinfo.ancillary.tos` and `.ecn`.
   *
   * @default false
   */
  tos?: boolean;
  /**
   * `rinfo.ancillary.timestamp`.
   *
   * @default false
   */
  timestamp?: boolean;
  /**
   * `rinfo.ancillary.dropped`.
   *
   * @default false
   */
  dropCounter?: boolean;
  /**
   * `rinfo.ancillary.credentials`, on UNIX sockets.
   *
   * @default false
   */
  credentials?: boolean;
  /** Socket options that core has no name for. */
  transport?: UdpSocketOptions;
}

type Batches = (batch: Message[]) => void;
type Payload = string | NodeJS.ArrayBufferView;
type Sent = (error: Error | null, bytes: number) => void;

/** What a socket can do beyond core's. */
export interface DgramAdditions {
  /** 'messages': what arrived in one turn of the reactor. */
  on(event: 'messages', listener: Batches): this;
  once(event: 'messages', listener: Batches): this;
  addListener(event: 'messages', listener: Batches): this;
  prependListener(event: 'messages', listener: Batches): this;
  prependOnceListener(event: 'messages', listener: Batches): this;
  emit(event: 'messages', batch: Message[]): boolean;
  /** UNIX sockets: binds to a path, or to a name in the abstract namespace, which begins with `\\0`. */
  bind(path: string, callback?: () => void): this;
  bind(options: { path: string }, callback?: () => void): this;
  /** UNIX sockets: sends to a path. */
  send(message: Payload | readonly Payload[], path: string, callback?: Sent): void;
  send(message: Payload, offset: number, length: number, path: string, callback?: Sent): void;
  /** UNIX sockets: only what is sent to that path, and from it, from then on. */
  connect(path: string, callback?: () => void): void;
  /** Sends many datagrams at once: bytes sent or an error for each, in order. */
  sendMany(messages: readonly OutgoingMessage[], options?: SendManyOptions): Promise<SendResult[]>;
  /** Whether the kernel cuts up what is sent, and puts together what is received. */
  readonly offload: { gso: boolean; gro: boolean };
  /** What arrives, a turn's datagrams at a time; ends with the socket. */
  messages(options?: MessagesOptions): AsyncGenerator<Message[], void, void>;
  /** `messages()` with its defaults. */
  [Symbol.asyncIterator](): AsyncGenerator<Message[], void, void>;
}
