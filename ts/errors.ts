/**
 * What can go wrong in the facades, in core's shape: same `code`, `name`, message, `errno`, `syscall`, `address`, `port`.
 *
 * Messages are part of core's interface (tests and log filters match them), so they follow Node 20's wording to the letter.
 */
import { Buffer } from 'node:buffer';
import { format, getSystemErrorMap, getSystemErrorName, inspect, type InspectOptions } from 'node:util';

/** An error with a `code`, as all of core's are. */
export interface CodedError extends Error {
  code: string;
}

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
}

type AnyErrorConstructor = new (message?: string) => Error;

/** Core prints `Name [CODE]: message` at the head of a stack when an error carries this mark. Undefined where core has none, null until it is looked for. */
let coreMark: symbol | undefined | null = null;

function findCoreMark(): symbol | undefined {
  try {
    Buffer.alloc('' as never);
  } catch (error) {
    for (let proto: unknown = error; proto !== null; proto = Object.getPrototypeOf(proto)) {
      const mark = Object.getOwnPropertySymbols(proto).find((symbol) => symbol.description === 'kIsNodeError');
      if (mark !== undefined) return mark;
    }
  }
  return undefined;
}

const dressed = new WeakSet<object>();

/**
 * Gives a class the habits of core's coded errors: `constructor` and `name` of the built-in class, the code in `toString()`. Called before its first error
 * is made, not when the class is: finding out how core marks its own takes an error of core's, and most programs get by without any.
 */
function dressAsCore(Class: { prototype: object }, Base: unknown, withToString = true): void {
  if (dressed.has(Class)) return;
  dressed.add(Class);
  const toString = {
    value(this: CodedError) {
      return `${this.name} [${this.code}]: ${this.message}`;
    },
    writable: true,
    configurable: true,
  };
  Object.defineProperty(Class.prototype, 'constructor', { get: () => Base, configurable: true });
  if (withToString) Object.defineProperty(Class.prototype, 'toString', toString);
  if (coreMark === null) coreMark = findCoreMark();
  if (coreMark !== undefined) Object.defineProperty(Class.prototype, coreMark, { get: () => true, configurable: true });
}

/** Makes the class of one error code. `describe` builds the message and may set further properties on the error. */
function coded<Args extends unknown[]>(Base: AnyErrorConstructor, code: string, describe: (...args: Args) => string) {
  const Class = class extends Base {
    code = code;
    constructor(...args: Args) {
      dressAsCore(Class, Base);
      super(describe(...args));
    }
  };
  return Class as unknown as new (...args: Args) => CodedError;
}

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
/** An address that the socket's `blockList` rules out. */
export const ERR_IP_BLOCKED = coded(Error, 'ERR_IP_BLOCKED', (ip: string) => `IP(${ip}) is blocked by net.BlockList`);

/* ---- system calls ---- */

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
    dressAsCore(ERR_SOCKET_BUFFER_SIZE, Error);
    const [code, meaning] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', 'unknown error'];
    super(`Could not get or set buffer size: ${syscall} returned ${code} (${meaning})`);
    const info = { errno, code, message: meaning, syscall };
    const ofInfo = <Key extends keyof typeof info>(key: Key): PropertyDescriptor => ({
      get: () => info[key],
      set: (value: (typeof info)[Key]) => (info[key] = value),
      enumerable: true,
      configurable: true,
    });
    Object.defineProperties(this, {
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

/* ---- several at once ---- */

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
export function plainCodedError(code: string, message: string): CodedError {
  return Object.assign(new Error(message), { code });
}

/* ---- words ---- */

function subject(name: string): string {
  if (name.endsWith(' argument')) return name;
  return `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

const PRIMITIVES: ReadonlySet<string> = new Set([
  'string',
  'function',
  'number',
  'object',
  'Function',
  'Object',
  'boolean',
  'bigint',
  'symbol',
]);

/** `of type number or an instance of Buffer`: primitive types first, then classes, then free text. */
function expectation(expected: readonly string[]): string {
  let types = expected.filter((name) => PRIMITIVES.has(name)).map((name) => name.toLowerCase());
  const classes = expected.filter((name) => !PRIMITIVES.has(name) && /^[A-Z][a-zA-Z0-9]*$/.test(name));
  const others = expected.filter((name) => !PRIMITIVES.has(name) && !classes.includes(name));
  if (classes.length > 0 && types.includes('object')) {
    types = types.filter((name) => name !== 'object');
    classes.push('Object');
  }

  const parts: string[] = [];
  if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${joinList(types, 'or')}`);
  if (classes.length > 0) parts.push(`an instance of ${joinList(classes, 'or')}`);
  if (others.length > 1) parts.push(`one of ${joinList(others, 'or')}`);
  else if (others.length === 1) parts.push(others[0].toLowerCase() === others[0] ? others[0] : `an ${others[0]}`);
  return parts.join(' or ');
}

function joinList(items: readonly string[], word: 'and' | 'or'): string {
  if (items.length < 2) return items.join('');
  if (items.length === 2) return items.join(` ${word} `);
  return `${items.slice(0, -1).join(', ')}, ${word} ${items.at(-1)}`;
}

/** What a value is, in core's words: `type string ('x')`, `an instance of Map`, `undefined`. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case 'function':
      return `function ${value.name}`;
    case 'object':
      if (value.constructor && 'name' in value.constructor) return `an instance of ${value.constructor.name}`;
      return inspect(value, { depth: -1 });
    case 'bigint':
      return `type bigint (${value}n)`;
    case 'number':
      return `type number (${Object.is(value, -0) ? '-0' : value})`;
    case 'string': {
      const text = value.length > 28 ? `${value.slice(0, 25)}...` : value;
      return `type string (${text.includes("'") ? JSON.stringify(text) : `'${text}'`})`;
    }
    case 'boolean':
    case 'symbol':
      return `type ${typeof value} (${String(value)})`;
    default:
      return typeof value;
  }
}

/** A number as core prints it in range errors: digits grouped by underscores where it passes 2^32. */
function describeNumber(value: unknown): string {
  if (typeof value === 'bigint') {
    const large = value > 2n ** 32n || value < -(2n ** 32n);
    return `${large ? groupDigits(String(value)) : String(value)}n`;
  }
  if (Number.isInteger(value) && Math.abs(value as number) > 2 ** 32) return groupDigits(String(value));
  return inspect(value);
}

function groupDigits(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, '_');
}

/** What was asked for was given up through a signal; `cause` is its reason. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';
  constructor(cause: unknown) {
    super('The operation was aborted', { cause });
    this.name = 'AbortError';
  }
}
