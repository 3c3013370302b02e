/**
 * Failed system calls, in core's shape: `errno`, `code`, `syscall`, and what the call was about. An errno is negative, as the kernel and libuv return it.
 */
import { Buffer } from 'node:buffer';
import { getSystemErrorMap, getSystemErrorName, inspect, type InspectOptions } from 'node:util';
import { define, defineAll } from '../define.ts';
import { type CodedError, dress } from './coded.ts';

/** A failed system call. */
export interface SystemCallError extends CodedError {
  /** Negative errno, such as -111. */
  errno: number;
  syscall: string;
  /** Address or path that the call was about; absent where it was about none. */
  address?: string;
  port?: number;
  /** Own end, where one had been asked for. */
  localAddress?: string;
  localPort?: number;
  /** The file that the call was about; absent where it was about none. */
  path?: string;
  /** The second file of a call that is about two. */
  dest?: string;
}

/** Comes of passing descriptors alone, which core does not do: its table of names lacks it. The same on all architectures that there are builds for. */
const ETOOMANYREFS = 109;

/** The call and the errno's name: `read ECONNRESET`. */
export function errnoException(errno: number, syscall: string): SystemCallError {
  const code = errno === -ETOOMANYREFS ? 'ETOOMANYREFS' : getSystemErrorName(errno);
  return Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall });
}

/**
 * With the endpoint: `connect ECONNREFUSED 127.0.0.1:1`, or a path in place of `address:port`.
 *
 * @param local own end as `address:port`, printed as ` - Local (…)`
 */
export function endpointException(
  errno: number,
  syscall: string,
  address: string | undefined,
  port?: number,
  local?: string,
): SystemCallError {
  const code = getSystemErrorName(errno);
  const own = local ? ` - Local (${local})` : '';
  const error = new Error(`${syscall} ${code}${endpointText(address, port)}${own}`);
  return withEndpoint(Object.assign(error, { errno, code, syscall }), address, port);
}

/** With the errno's meaning spelled out: `listen EADDRINUSE: address already in use 127.0.0.1:80`. */
export function describedEndpointException(
  errno: number,
  syscall: string,
  address: string | null | undefined,
  port?: number | null,
): SystemCallError {
  const [code, meaning] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', 'unknown error'];
  const error = new Error(`${syscall} ${code}: ${meaning}${endpointText(address, port)}`);
  return withEndpoint(Object.assign(error, { code, errno, syscall }), address, port);
}

function endpointText(address: string | null | undefined, port: number | null | undefined): string {
  if (port && port > 0) return ` ${address}:${port}`;
  return address ? ` ${address}` : '';
}

function withEndpoint<E extends Error>(error: E, address: string | null | undefined, port: number | null | undefined) {
  return Object.assign(error, { address }, port ? { port } : null) as unknown as SystemCallError;
}

/** Core's `SystemError` for buffer sizes; `info` tells of the call. */
export class ERR_SOCKET_BUFFER_SIZE extends Error {
  code = 'ERR_SOCKET_BUFFER_SIZE';
  declare info: { errno: number; code: string; message: string; syscall: string };
  declare errno: number;
  declare syscall: string;
  constructor(errno: number, syscall: string) {
    // Unlike other errors of core's it has a class of its own, whose name tells nothing.
    dress(ERR_SOCKET_BUFFER_SIZE, {});
    const [code, meaning] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', 'unknown error'];
    super(`Could not get or set buffer size: ${syscall} returned ${code} (${meaning})`);
    const info = { errno, code, message: meaning, syscall };
    const ofInfo = <Key extends keyof typeof info>(key: Key): PropertyDescriptor => ({
      get: () => info[key],
      set: (value: (typeof info)[Key]) => (info[key] = value),
      enumerable: true,
      configurable: true,
    });
    defineAll(this, {
      name: { value: 'SystemError', writable: true, configurable: true },
      info: { value: info, enumerable: true, configurable: true },
      errno: ofInfo('errno'),
      syscall: ofInfo('syscall'),
    });
    // The head of the stack names it: written once the name is there.
    Error.captureStackTrace(this, ERR_SOCKET_BUFFER_SIZE);
  }

  /** As core's: with the values of its accessors. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    return inspect(this, { ...options, getters: true, customInspect: false });
  }
}

define(ERR_SOCKET_BUFFER_SIZE, 'name', { value: 'NodeError' });

/* ---- of files ---- */

type Path = string | Uint8Array;

/** A path as text, for messages. */
export function pathText(path: Path): string {
  return typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString();
}

/** With the path or paths that it was about: `ENOENT: no such file or directory, open 'x'`. */
export function fileError(errno: number, syscall: string, path?: Path, dest?: Path): SystemCallError {
  const [code, meaning] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', 'unknown error'];
  let message = `${code}: ${meaning}, ${syscall}`;
  if (path !== undefined) message += ` '${pathText(path)}'`;
  if (dest !== undefined) message += ` -> '${pathText(dest)}'`;
  const error = Object.assign(new Error(message), { errno, code, syscall }) as SystemCallError;
  if (path !== undefined) error.path = pathText(path);
  if (dest !== undefined) error.dest = pathText(dest);
  return error;
}

/** A method was called on a handle that is closed. */
export function closedError(syscall: string): Error {
  return Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
}
