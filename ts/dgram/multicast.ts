/**
 * Multicast: which groups a socket receives from, and by which interface it sends to them.
 *
 * Addresses are taken as core takes them: whatever is given becomes text, which libuv reads. An interface is named by an IPv4 address that it has, or, for
 * IPv6, behind the `%` of any address.
 */
import { EBADF } from '../errors/errno.ts';
import { ERR_MISSING_ARGS } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import { DatagramHandle, SocketOption } from '../reactor/index.ts';
import { validateString } from '../validate.ts';
import { openHandle } from './open.ts';
import { changing, checkRunning, type DgramSocket, type State } from './state.ts';

/** @throws {Error} a failed system call: `EINVAL` for what is no address, `EBADF` on a socket that has no descriptor yet. */
export function setMulticastInterface(socket: DgramSocket, interfaceAddress: string): void {
  const state = checkRunning(socket);
  validateString(interfaceAddress, 'interfaceAddress');
  const status =
    changing(state)?.multicastInterface(interfaceAddress) ?? DatagramHandle.multicastInterfaceOfNone(interfaceAddress);
  if (status < 0) throw errnoException(status, 'setMulticastInterface');
}

/** Joins or leaves a group, whoever sends to it. */
export function changeMembership(
  socket: DgramSocket,
  join: boolean,
  group: unknown,
  interfaceAddress: unknown,
  call: string,
): void {
  const state = checkRunning(socket);
  if (!group) throw new ERR_MISSING_ARGS('multicastAddress');
  const status = membership(socket, state, join, text(group), undefined, interfaceAddress);
  if (status < 0) throw errnoException(status, call);
}

/** Joins or leaves a group, for what one source sends to it. */
export function changeSourceMembership(
  socket: DgramSocket,
  join: boolean,
  source: string,
  group: string,
  interfaceAddress: unknown,
  call: string,
): void {
  const state = checkRunning(socket);
  validateString(source, 'sourceAddress');
  validateString(group, 'groupAddress');
  const status = membership(socket, state, join, group, source, interfaceAddress);
  if (status < 0) throw errnoException(status, call);
}

function membership(
  socket: DgramSocket,
  state: State,
  join: boolean,
  group: string,
  source: string | undefined,
  interfaceAddress: unknown,
): number {
  const on = interfaceAddress == null ? undefined : text(interfaceAddress);
  const handle = changing(state) ?? openFor(socket, state, group, source);
  return typeof handle === 'number' ? handle : handle.membership(join, group, source, on);
}

/** Core's handle opens itself for a group, as a socket of the group's family, and binds itself to a port of the system's choice. */
function openFor(socket: DgramSocket, state: State, group: string, source: string | undefined): DatagramHandle | number {
  const refusal = DatagramHandle.membershipOfNone(group, source);
  if (refusal !== -EBADF) return refusal;
  const family = group.includes(':') ? 6 : 4;
  const handle = openHandle(socket, state, state.kind === 'unix_dgram' ? state.kind : `udp${family}`);
  if (typeof handle === 'number' || state.kind === 'unix_dgram') return handle;
  const reused = handle.setOption(SocketOption.ReuseAddress, 1);
  const status = reused < 0 ? reused : handle.bind({ family, address: family === 4 ? '0.0.0.0' : '::', port: 0 });
  return status < 0 ? status : handle;
}

/** What core's C++ makes of an argument. A symbol is no text, and says so. */
function text(value: unknown): string {
  return `${value as string}`;
}
