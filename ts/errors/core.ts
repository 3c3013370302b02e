/**
 * Core's coded errors: what is wrong with arguments, and with the state that something is in.
 *
 * Messages are part of core's interface (tests and log filters match them), so they follow Node 20's wording to the letter.
 */
import { format, inspect } from 'node:util';
import { coded, type CodedError, dressAsCore } from './coded.ts';
import { describeNumber, describeType, expectation, joinList, subject } from './describe.ts';

/* ---- arguments ---- */

/** `The "port" argument must be of type number. Received …` */
export const ERR_INVALID_ARG_TYPE = coded(
  TypeError,
  'ERR_INVALID_ARG_TYPE',
  (name: string, expected: string | readonly string[], actual: unknown) =>
    `The ${subject(name)} must be ${expectation(typeof expected === 'string' ? [expected] : expected)}. Received ${describeType(actual)}`,
);

/** `The argument 'fd' is invalid. Received …` */
export const ERR_INVALID_ARG_VALUE = coded(
  TypeError,
  'ERR_INVALID_ARG_VALUE',
  (name: string, value: unknown, reason: string = 'is invalid') => {
    const printed = inspect(value);
    const received = printed.length > 128 ? `${printed.slice(0, 128)}...` : printed;
    return `The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. Received ${received}`;
  },
);

/** `The value of "x" is out of range. It must be … Received …` */
export const ERR_OUT_OF_RANGE = coded(RangeError, 'ERR_OUT_OF_RANGE', (name: string, range: string, value: unknown) => {
  return `The value of "${name}" is out of range. It must be ${range}. Received ${describeNumber(value)}`;
});

/** `The "options" or "port" argument must be specified`; an inner list is a choice. */
export const ERR_MISSING_ARGS = coded(TypeError, 'ERR_MISSING_ARGS', (...names: Array<string | readonly string[]>) => {
  const quoted = names.map((name) =>
    typeof name === 'string' ? `"${name}"` : name.map((alternative) => `"${alternative}"`).join(' or '),
  );
  return `The ${joinList(quoted, 'and')} argument${names.length > 1 ? 's' : ''} must be specified`;
});

/** `Port should be >= 0 and < 65536. Received …` */
export const ERR_SOCKET_BAD_PORT = coded(
  RangeError,
  'ERR_SOCKET_BAD_PORT',
  (name: string, port: unknown, allowZero: boolean = true) =>
    `${name} should be ${allowZero ? '>=' : '>'} 0 and < 65536. Received ${describeType(port)}.`,
);

/** A descriptor that is no stream socket; takes core's word for what it is (`FILE`, `TTY`, `UDP`, `UNKNOWN`). */
export const ERR_INVALID_FD_TYPE = coded(TypeError, 'ERR_INVALID_FD_TYPE', (type: string) => `Unsupported fd type: ${type}`);

export const ERR_INVALID_HANDLE_TYPE = coded(TypeError, 'ERR_INVALID_HANDLE_TYPE', () => 'This handle type cannot be sent');

export const ERR_INVALID_IP_ADDRESS = coded(TypeError, 'ERR_INVALID_IP_ADDRESS', (address: unknown) =>
  format('Invalid IP address: %s', address),
);

const InvalidAddressFamily = coded(
  RangeError,
  'ERR_INVALID_ADDRESS_FAMILY',
  (family: unknown, host: unknown, port: unknown) => `Invalid address family: ${String(family)} ${String(host)}:${String(port)}`,
);

/** A lookup answered with a family that is neither 4 nor 6. Carries `host` and `port`. */
export class ERR_INVALID_ADDRESS_FAMILY extends InvalidAddressFamily {
  declare host: unknown;
  declare port: unknown;
  constructor(family: unknown, host: unknown, port: unknown) {
    dressAsCore(ERR_INVALID_ADDRESS_FAMILY, RangeError);
    super(family, host, port);
    Object.assign(this, { host, port });
  }
}

export const ERR_BUFFER_OUT_OF_BOUNDS = coded(
  RangeError,
  'ERR_BUFFER_OUT_OF_BOUNDS',
  (name: string) => `"${name}" is outside of buffer bounds`,
);
export const ERR_SOCKET_BAD_TYPE = coded(
  TypeError,
  'ERR_SOCKET_BAD_TYPE',
  () => 'Bad socket type specified. Valid types are: udp4, udp6',
);
export const ERR_SOCKET_BAD_BUFFER_SIZE = coded(
  TypeError,
  'ERR_SOCKET_BAD_BUFFER_SIZE',
  () => 'Buffer size must be a positive integer',
);

/** A file that `readFile()` cannot return in one piece. */
export const ERR_FS_FILE_TOO_LARGE = coded(
  RangeError,
  'ERR_FS_FILE_TOO_LARGE',
  (size: number) => `File size (${size}) is greater than 2 GiB`,
);
/** A scheme that an HTTP/2 client cannot connect by, with its colon. */
export const ERR_HTTP2_UNSUPPORTED_PROTOCOL = coded(
  Error,
  'ERR_HTTP2_UNSUPPORTED_PROTOCOL',
  (protocol: string) => `protocol "${protocol}" is unsupported.`,
);

/** What core asserts of itself, and callers of its methods on other objects see. */
export const ERR_INTERNAL_ASSERTION = coded(Error, 'ERR_INTERNAL_ASSERTION', (message: string) => message);

/* ---- state ---- */

export const ERR_SOCKET_ALREADY_BOUND = coded(Error, 'ERR_SOCKET_ALREADY_BOUND', () => 'Socket is already bound');
export const ERR_SOCKET_DGRAM_IS_CONNECTED = coded(Error, 'ERR_SOCKET_DGRAM_IS_CONNECTED', () => 'Already connected');
export const ERR_SOCKET_DGRAM_NOT_CONNECTED = coded(Error, 'ERR_SOCKET_DGRAM_NOT_CONNECTED', () => 'Not connected');
export const ERR_SOCKET_DGRAM_NOT_RUNNING = coded(Error, 'ERR_SOCKET_DGRAM_NOT_RUNNING', () => 'Not running');

export const ERR_SERVER_ALREADY_LISTEN = coded(
  Error,
  'ERR_SERVER_ALREADY_LISTEN',
  () => 'Listen method has been called more than once without closing.',
);
export const ERR_SERVER_NOT_RUNNING = coded(Error, 'ERR_SERVER_NOT_RUNNING', () => 'Server is not running.');
export const ERR_SOCKET_CLOSED = coded(Error, 'ERR_SOCKET_CLOSED', () => 'Socket is closed');
export const ERR_SOCKET_CLOSED_BEFORE_CONNECTION = coded(
  Error,
  'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
  () => 'Socket closed before the connection was established',
);
export const ERR_SOCKET_CONNECTION_TIMEOUT = coded(Error, 'ERR_SOCKET_CONNECTION_TIMEOUT', () => 'Socket connection timeout');
export const ERR_INVALID_STATE = coded(Error, 'ERR_INVALID_STATE', (message: string) => `Invalid state: ${message}`);
export const ERR_STREAM_DESTROYED = coded(Error, 'ERR_STREAM_DESTROYED', () => 'Cannot write to a stream that has ended');
/** An address that the socket's `blockList` rules out. */
export const ERR_IP_BLOCKED = coded(Error, 'ERR_IP_BLOCKED', (ip: string) => `IP(${ip}) is blocked by net.BlockList`);

/* ---- of other kinds ---- */

/** Every attempt failed. `code` is the first error's. */
export class AttemptsError extends AggregateError {
  code: string | undefined;
  constructor(errors: readonly Error[]) {
    // Core's has no toString of its own.
    dressAsCore(AttemptsError, AggregateError, false);
    super(errors);
    this.code = (errors[0] as Partial<CodedError> | undefined)?.code;
  }
}

/** A plain error with a code, for what core raises without a class of its own. */
export function plainCodedError(code: string, message: string, Base: ErrorConstructor = Error): CodedError {
  return Object.assign(new Base(message), { code });
}

/** What was asked for was given up through a signal; `cause` is its reason. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';
  constructor(cause: unknown) {
    super('The operation was aborted', { cause });
    this.name = 'AbortError';
  }
}

/** @throws {AbortError} where the signal has been given. */
export function checkAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}
