/**
 * Ancillary data: what the kernel tells beside a datagram's bytes, as control messages (recvmsg(2), cmsg(3)).
 */
import { endianness } from 'node:os';
import { URL } from 'node:url';

/** What was asked for by the options of the socket. Absent is what the kernel did not tell. */
export interface Ancillary {
  /** Option `packetInfo`: the address that the datagram was sent to. */
  destination?: string;
  /** Option `packetInfo`: index of the interface that it came by. */
  interfaceIndex?: number;
  /** Option `tos`: the type-of-service byte (traffic class). */
  tos?: number;
  /** Option `tos`: its lower two bits, Explicit Congestion Notification (RFC 3168). */
  ecn?: number;
  /** Option `timestamp`: when it arrived, in nanoseconds since 1970. */
  timestamp?: bigint;
  /** Option `dropCounter`: datagrams that the socket has lost so far because its receive buffer was full. */
  dropped?: number;
  /** Option `gro`: size of the datagrams that were put together. */
  segmentSize?: number;
  /** Option `credentials`: the sender's process. */
  credentials?: { pid: number; uid: number; gid: number };
  /** There was more than the room for it: something may be missing. */
  truncated?: true;
}

const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_UDP = 17;
const SOL_IPV6 = 41;
const IP_TOS = 1;
const IP_PKTINFO = 8;
const IPV6_PKTINFO = 50;
const IPV6_TCLASS = 67;
const SCM_CREDENTIALS = 2;
const SO_TIMESTAMPNS = 35;
const SO_RXQ_OVFL = 40;
const UDP_GRO = 104;

/** Bytes of a `cmsghdr`, and what control messages are aligned to. */
const HEADER = 16;
const ALIGNMENT = 8;

const LITTLE = endianness() === 'LE';

/** Reads control data. Ends where a length makes no sense. */
export function describeControl(control: Buffer, truncated: boolean): Ancillary {
  const found: Ancillary = {};
  if (truncated) found.truncated = true;
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  for (let at = 0; at + HEADER <= control.length;) {
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER || at + length > control.length) break;
    const level = view.getInt32(at + 8, LITTLE);
    const kind = view.getInt32(at + 12, LITTLE);
    read(found, view, control, at + HEADER, length - HEADER, level, kind);
    at += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  }
  return found;
}

function read(found: Ancillary, view: DataView, bytes: Buffer, at: number, length: number, level: number, kind: number): void {
  if (level === SOL_IP && kind === IP_PKTINFO && length >= 12) {
    found.interfaceIndex = view.getInt32(at, LITTLE);
    found.destination = bytes.subarray(at + 8, at + 12).join('.');
  } else if (level === SOL_IPV6 && kind === IPV6_PKTINFO && length >= 20) {
    found.destination = v6Text(view, at);
    found.interfaceIndex = view.getInt32(at + 16, LITTLE);
  } else if (level === SOL_IP && kind === IP_TOS && length >= 1) setTos(found, bytes[at]);
  else if (level === SOL_IPV6 && kind === IPV6_TCLASS && length >= 4) setTos(found, view.getInt32(at, LITTLE));
  else if (level === SOL_UDP && kind === UDP_GRO && length >= 2) found.segmentSize = view.getUint16(at, LITTLE);
  else if (level === SOL_SOCKET && kind === SO_TIMESTAMPNS && length >= 16) {
    found.timestamp = view.getBigInt64(at, LITTLE) * 1_000_000_000n + view.getBigInt64(at + 8, LITTLE);
  } else if (level === SOL_SOCKET && kind === SO_RXQ_OVFL && length >= 4) found.dropped = view.getUint32(at, LITTLE);
  else if (level === SOL_SOCKET && kind === SCM_CREDENTIALS && length >= 12) {
    const [pid, uid, gid] = [0, 4, 8].map((offset) => view.getInt32(at + offset, LITTLE)) as [number, number, number];
    found.credentials = { pid, uid, gid };
  }
}

function setTos(found: Ancillary, tos: number): void {
  found.tos = tos;
  found.ecn = tos & 3;
}

/** Longest run of zeros shortened, as everywhere. */
function v6Text(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, group) => view.getUint16(at + group * 2).toString(16));
  // The parser of URLs knows the canonical form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
