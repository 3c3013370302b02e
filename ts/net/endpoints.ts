/**
 * Own and other end of a connection, as core prints them.
 */
import { describeEndpoint, type EndpointInfo } from '../core/endpoint-info.ts';
import type { ListenHandle, StreamHandle } from '../reactor/index.ts';
import { kLink, type NetSocket } from './internals.ts';

/** The end of a handle where it can be had. */
export function localInfo(handle: StreamHandle | ListenHandle): EndpointInfo {
  const endpoint = handle.localEndpoint();
  return typeof endpoint === 'number' ? {} : describeEndpoint(endpoint);
}

/** What `socket.address()` returns: asked of the kernel once a connection. Until connect(2) has bound it a socket has no name. */
export function socketName(socket: NetSocket): EndpointInfo {
  const handle = socket[kLink]?.handle;
  if (!handle) return {};
  if (socket._sockname) return socket._sockname;
  const name = localInfo(handle);
  return name.port === 0 ? {} : (socket._sockname = name);
}

/** What `remoteAddress` and its like are taken from; remembered after the connection is gone. */
export function peerName(socket: NetSocket): EndpointInfo {
  const handle = socket[kLink]?.handle;
  if (socket._peername || !handle || socket.connecting) return socket._peername ?? {};
  const endpoint = handle.peerEndpoint();
  if (typeof endpoint === 'number') return {};
  return (socket._peername = describeEndpoint(endpoint));
}

/** `remoteAddress`, `localPort` and the like: accessors for the prototype of Socket. */
export const endpointAccessors: PropertyDescriptorMap & ThisType<NetSocket> = {
  remoteAddress: accessor((socket) => socket._getpeername().address),
  remoteFamily: accessor((socket) => socket._getpeername().family),
  remotePort: accessor((socket) => socket._getpeername().port),
  localAddress: accessor((socket) => socket._getsockname().address),
  localFamily: accessor((socket) => socket._getsockname().family),
  localPort: accessor((socket) => socket._getsockname().port),
};

function accessor(read: (socket: NetSocket) => unknown): PropertyDescriptor {
  return {
    get(this: NetSocket) {
      return read(this);
    },
    enumerable: true,
    configurable: false,
  };
}
