/**
 * The options of `createSocket`, and the state that a socket begins with.
 */
import core from 'node:dgram';
import { BlockList } from 'node:net';
import { ERR_INVALID_ARG_TYPE, ERR_SOCKET_BAD_TYPE } from '../errors/core.ts';
import { AsyncScope, type DatagramKind } from '../reactor/index.ts';
import { socketSettings } from '../socket-options.ts';
import { validateFunction, validateInt32 } from '../validate.ts';
import { readAdditions } from './additions.ts';
import { patchedLookup } from './lookup.ts';
import { Bound, Connected, type Lookup, type State } from './state.ts';

/** @throws {TypeError} for an option that is not of its type, or a `type` that there is none of, as core's. */
export function createState(options: Record<string, any>): State {
  const kind = options['type'] as DatagramKind;
  if (options['recvBufferSize']) validateInt32(options['recvBufferSize'], 'options.recvBufferSize', 0, 2 ** 32 - 1);
  if (options['sendBufferSize']) validateInt32(options['sendBufferSize'], 'options.sendBufferSize', 0, 2 ** 32 - 1);
  const blockLists = {
    receiveBlockList: blockList(options, 'receiveBlockList'),
    sendBlockList: blockList(options, 'sendBlockList'),
  };
  if (options['lookup'] !== undefined) validateFunction(options['lookup'], 'lookup');
  if (kind !== 'udp4' && kind !== 'udp6' && kind !== 'unix_dgram') throw new ERR_SOCKET_BAD_TYPE();
  return {
    kind,
    scope: new AsyncScope('UDPWRAP'),
    lookup: (options['lookup'] as Lookup | undefined) ?? patchedLookup(),
    handle: null,
    sibling: null,
    shown: undefined,
    closed: false,
    bound: Bound.No,
    connected: Connected.No,
    receiving: false,
    referenced: true,
    queue: undefined,
    reuseAddr: options['reuseAddr'],
    reusePort: Boolean(options['reusePort']),
    ipv6Only: Boolean(options['ipv6Only']),
    recvBufferSize: options['recvBufferSize'],
    sendBufferSize: options['sendBufferSize'],
    ...blockLists,
    additions: readAdditions(options),
    transport: socketSettings(options['transport'], kind === 'unix_dgram' ? 'unix' : 'udp'),
    pauses: 0,
    sendsBefore: -1,
    literal: undefined,
    path: undefined,
    gso: false,
    gro: false,
  };
}

function blockList(options: Record<string, unknown>, name: string): BlockList | undefined {
  const list = options[name];
  if (list instanceof BlockList) return list;
  if (list && knowsOption(name, list)) throw new ERR_INVALID_ARG_TYPE(`options.${name}`, 'net.BlockList', list);
  return undefined;
}

/** Whether core minds a value that an option cannot have. It does where it knows the option: block lists came with Node 22.13. */
function knowsOption(name: string, value: unknown): boolean {
  try {
    core.createSocket({ type: 'udp4', [name]: value }).close();
    return false;
  } catch {
    return true;
  }
}
