/**
 * What goes beyond core: options that core has not, and many datagrams at once.
 */
import { ERR_INVALID_ARG_TYPE, endpointException } from '../errors.ts';
import { SocketOption, type DatagramHandle } from '../reactor/index.ts';
import { validateBoolean } from '../validate.ts';
import { Bound, type Extras, type State } from './state.ts';
import { toBytes, type Payload } from './sender.ts';

const NAMES = ['reply', 'gro', 'packetInfo', 'tos', 'timestamp', 'dropCounter', 'credentials'] as const;

/** Takes the further options out of those of `createSocket`. */
export function readExtras(options: Record<string, unknown>): Extras {
  const extras: Record<string, boolean> = {};
  for (const name of NAMES) {
    const value = options[name];
    if (value !== undefined) validateBoolean(value, `options.${name}`);
    extras[name] = value === true;
  }
  return extras as unknown as Extras;
}

/** Sets them. What this kernel or kind of socket lacks is left out, and so absent from what is told. */
export function applyExtras(state: State, handle: DatagramHandle): void {
  const { extras } = state;
  const wanted: [boolean, SocketOption][] = [
    [extras.packetInfo, SocketOption.PacketInfo],
    [extras.tos, SocketOption.RecvTypeOfService],
    [extras.timestamp, SocketOption.Timestamp],
    [extras.dropCounter, SocketOption.DropCounter],
    [extras.credentials, SocketOption.PassCredentials],
  ];
  let any = false;
  for (const [on, option] of wanted) if (on && handle.setOption(option, 1) === 0) any = true;
  state.gro = extras.gro && handle.setOption(SocketOption.UdpGro, 1) === 0;
  state.gso = state.kind !== 'unix_dgram' && handle.getOption(SocketOption.UdpSegment) !== undefined;
  if (any || state.gro) handle.setControl(true);
}

/** One of what `sendMany` sends. */
export interface OutgoingMessage {
  data: Payload;
  /** Not on a connected socket. */
  port?: number;
  /** An IP address, never a host name; a path on UNIX sockets. Not on a connected socket. */
  address?: string;
  /** `MSG_*` flags: `MSG_CONFIRM`, `MSG_DONTROUTE`, `MSG_MORE`, `MSG_DONTWAIT` (fail with EAGAIN instead of waiting for room). 0. */
  flags?: number;
  /** Cut the data into datagrams of this many bytes (GSO), the last perhaps shorter; at most 64 or 128 of them. 0: it is one. */
  segmentSize?: number;
}

export interface SendManyOptions {
  /** Send one only after the one before was sent; after a failure the rest fail with ECANCELED. false. */
  linked?: boolean;
}

/** Bytes sent, or why not. */
export type SendResult = number | Error;

const EINVAL = -22;
const ECANCELED = -125;
const EBADF = -9;

/** See `Socket.sendMany`. */
export async function sendMany(
  state: State,
  messages: readonly OutgoingMessage[],
  { linked = false }: SendManyOptions = {},
): Promise<SendResult[]> {
  if (!Array.isArray(messages)) throw new ERR_INVALID_ARG_TYPE('messages', 'Array', messages);
  const results: SendResult[] = new Array<SendResult>(messages.length);
  if (messages.length === 0) return results;
  await new Promise<void>((resolve) => {
    let left = messages.length;
    const note = (index: number, result: number): void => {
      const { address, port } = messages[index]!;
      results[index] = result < 0 ? endpointException(result, 'send', address, port) : result;
      if (--left === 0) resolve();
    };
    const settle = (index: number, result: number): void => {
      note(index, result);
      if (!linked || left === 0) return;
      if (result < 0) for (let rest = index + 1; rest < messages.length; rest++) note(rest, ECANCELED);
      else sendOne(state, messages[index + 1], (next) => settle(index + 1, next));
    };
    if (linked) sendOne(state, messages[0], (result) => settle(0, result));
    else messages.forEach((message, index) => sendOne(state, message, (result) => settle(index, result)));
  });
  return results;
}

function sendOne(state: State, message: OutgoingMessage, report: (result: number) => void): void {
  const { data, address, port = 0, flags = 0, segmentSize = 0 } = message;
  const { handle } = state;
  if (handle === null || state.closed || state.bound !== Bound.Yes) {
    report(EBADF);
    return;
  }
  const bytes = toBytes(data);
  if (segmentSize > 0 && !state.gso) {
    sendParts(handle, bytes, message, report);
    return;
  }
  if (address === undefined && message.port === undefined) handle.send(bytes, report, flags, segmentSize);
  else {
    const local = state.kind === 'udp6' ? '::1' : '127.0.0.1';
    const status = isPort(port) ? handle.sendTo(bytes, address ?? local, port, report, flags, segmentSize) : EINVAL;
    if (status < 0) report(status);
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port < 65536;
}

/** Without GSO: the parts one by one. The result is their sum, or the last error. */
function sendParts(
  handle: DatagramHandle,
  bytes: Uint8Array,
  { address, port = 0, flags = 0, segmentSize = 0 }: OutgoingMessage,
  report: (result: number) => void,
): void {
  let left = Math.ceil(bytes.byteLength / segmentSize);
  let sum = 0;
  const settle = (result: number): void => {
    sum = result < 0 || sum < 0 ? Math.min(result, sum) : sum + result;
    if (--left === 0) report(sum);
  };
  for (let at = 0; at < bytes.byteLength; at += segmentSize) {
    const part = bytes.subarray(at, at + segmentSize);
    const status = address === undefined ? 0 : handle.sendTo(part, address, port, settle, flags);
    if (address === undefined) handle.send(part, settle, flags);
    if (status < 0) settle(status);
  }
}
