/**
 * Checks of arguments and options, with core's codes and messages. Each returns nothing and throws where the value will not do.
 */
import process from 'node:process';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_SOCKET_BAD_PORT } from './errors/core.ts';

/** Longest delay that a timer can have: 2^31 - 1 ms. */
const MAX_DELAY = 2 ** 31 - 1;

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no boolean. */
export function validateBoolean(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw new ERR_INVALID_ARG_TYPE(name, 'boolean', value);
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no string. */
export function validateString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw new ERR_INVALID_ARG_TYPE(name, 'string', value);
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no string, `ERR_INVALID_ARG_VALUE` where it has a zero byte. */
export function validateStringWithoutNullBytes(value: unknown, name: string): asserts value is string {
  validateString(value, name);
  if (value.includes('\0')) throw new ERR_INVALID_ARG_VALUE(name, value, 'must be a string without null bytes');
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no object; arrays and functions are none. */
export function validateObject(value: unknown, name: string): asserts value is object {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new ERR_INVALID_ARG_TYPE(name, 'Object', value);
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no function. */
export function validateFunction(value: unknown, name: string): asserts value is (...args: any[]) => unknown {
  if (typeof value !== 'function') throw new ERR_INVALID_ARG_TYPE(name, 'Function', value);
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no number. NaN and the infinities are numbers. */
export function validateNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
}

/**
 * A whole number of 32 bits, or of the narrower range given.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no number.
 * @throws {RangeError} `ERR_OUT_OF_RANGE` where it is not whole or lies outside the range.
 */
export function validateInt32(
  value: unknown,
  name: string,
  min: number = -(2 ** 31),
  max: number = 2 ** 31 - 1,
): asserts value is number {
  validateNumber(value, name);
  if (!Number.isInteger(value)) throw new ERR_OUT_OF_RANGE(name, 'an integer', value);
  if (value < min || value > max) throw new ERR_OUT_OF_RANGE(name, `>= ${min} && <= ${max}`, value);
}

/**
 * A whole number that a `number` holds exactly, or one of the narrower range given.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no number.
 * @throws {RangeError} `ERR_OUT_OF_RANGE` where it is not whole or lies outside the range.
 */
export function validateInteger(
  value: unknown,
  name: string,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  validateInt32(value, name, min, max);
}

/**
 * A part of a file, options `start` and `length`: from 0 on, with `Infinity` to the end, and no byte beyond 2^53 - 1.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`
 * @throws {RangeError} `ERR_OUT_OF_RANGE`
 */
export function validatePart(start: unknown, length: unknown): void {
  validateInteger(start, 'options.start', 0);
  if (length !== Infinity) validateInteger(length, 'options.length', 0, Number.MAX_SAFE_INTEGER - start);
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no view of memory: a Buffer, TypedArray or DataView. */
export function validateView(value: unknown, name: string): asserts value is ArrayBufferView {
  if (!ArrayBuffer.isView(value)) throw new ERR_INVALID_ARG_TYPE(name, ['Buffer', 'TypedArray', 'DataView'], value);
}

/**
 * What a word stands for.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE` where it is none of the words.
 */
export function validateWord<T>(value: unknown, name: string, words: ReadonlyMap<string, T>): T {
  const meaning = words.get(value as string);
  if (meaning !== undefined) return meaning;
  throw new ERR_INVALID_ARG_VALUE(name, value, `must be one of: ${[...words.keys()].map((word) => `'${word}'`).join(', ')}`);
}

/**
 * A port: a whole number from 0 (or 1, where zero stands for nothing) to 65535, or a string that stands for one.
 *
 * @throws {RangeError} `ERR_SOCKET_BAD_PORT` for anything else.
 */
export function validatePort(value: unknown, name: string = 'Port', allowZero: boolean = true): number {
  const written = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '');
  const port = written ? Number(value) : NaN;
  if (!Number.isInteger(port) || port < (allowZero ? 0 : 1) || port > 65535) {
    throw new ERR_SOCKET_BAD_PORT(name, value, allowZero);
  }
  return port;
}

/** @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is neither undefined nor looks like an AbortSignal. */
export function validateAbortSignal(value: unknown, name: string): asserts value is AbortSignal | undefined {
  if (value === undefined) return;
  if (value === null || typeof value !== 'object' || !('aborted' in value)) {
    throw new ERR_INVALID_ARG_TYPE(name, 'AbortSignal', value);
  }
}

/**
 * A timer's delay in milliseconds. What passes 2^31 - 1 is cut to it with a process warning, as core's timers do.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE` where `value` is no number.
 * @throws {RangeError} `ERR_OUT_OF_RANGE` where it is negative or not finite.
 * @returns the delay to use
 */
export function validateDelay(value: unknown, name: string): number {
  validateNumber(value, name);
  if (value < 0 || !Number.isFinite(value)) throw new ERR_OUT_OF_RANGE(name, 'a non-negative finite number', value);
  if (value <= MAX_DELAY) return value;
  process.emitWarning(
    `${value} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${MAX_DELAY}.`,
    'TimeoutOverflowWarning',
  );
  return MAX_DELAY;
}
