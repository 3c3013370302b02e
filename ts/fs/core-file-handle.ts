/**
 * Core's FileHandle class, which it does not export, and the symbols by which it talks to its handles.
 */
import { EventEmitter } from 'node:events';
import core from 'node:fs/promises';
import process from 'node:process';
import { coreModule } from '../core/module.ts';
import { CORE_MAJOR } from '../core/version.ts';
import { define } from '../define.ts';

/** A handle of core's class, made by our constructor: an EventEmitter that core's functions accept. */
export type CoreFileHandle = core.FileHandle;

/** Core's class. Made without a handle it is closed: every method has to be ours. */
export type CoreFileHandleClass = new (handle?: undefined) => CoreFileHandle;

/** What core calls on handles behind the scenes. */
export interface CoreSymbols {
  readonly ref: symbol;
  readonly unref: symbol;
  readonly transfer: symbol;
  readonly transferList: symbol;
}

export interface Core {
  readonly Class: CoreFileHandleClass;
  readonly symbols: CoreSymbols;
}

/**
 * Finds core's class. Where that takes a file to be opened it may fail, with the error of the moment.
 *
 * @throws {Error} what core's `open` reports: `EMFILE` and its like
 */
export async function findCore(): Promise<Core> {
  const Class = classBehindInstanceof() ?? (await classOfOpened());
  const prototype = Class.prototype as object;
  const symbol = (description: string) =>
    Object.getOwnPropertySymbols(prototype).find((candidate) => candidate.description === description) ?? Symbol(description);
  return {
    Class,
    symbols: {
      ref: symbol('kRef'),
      unref: symbol('kUnref'),
      transfer: symbol('messaging_transfer_symbol'),
      transferList: symbol('messaging_transfer_list_symbol'),
    },
  };
}

type Constructor = abstract new (...args: any[]) => unknown;

/**
 * Core's functions ask `path instanceof FileHandle` before anything else, which looks for `Symbol.hasInstance` in the classes below that one, and calls it on
 * the class asked for. So nothing has to be opened: there may be no descriptor left, no right to open anything, and a thread that is ended in the middle would
 * leave core's descriptor open for good.
 */
function classBehindInstanceof(): CoreFileHandleClass | undefined {
  const bases = basesOfCore();
  let asked: Constructor | undefined;
  function hasInstance(this: Constructor, value: unknown): boolean {
    asked ??= this;
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }
  try {
    for (const base of bases) define(base, Symbol.hasInstance, { value: hasInstance, configurable: true });
    // What it says comes later, and is of no interest: nothing can be read from this.
    core.readFile(NO_PATH).catch(() => {});
  } catch {
    // Somebody has frozen them.
  } finally {
    for (const base of bases) Reflect.deleteProperty(base, Symbol.hasInstance);
  }
  return asked?.name === 'FileHandle' ? (asked as unknown as CoreFileHandleClass) : undefined;
}

const NO_PATH = null as unknown as string;

/** Classes within reach that core's may stand on. In Node 20 it is that of what can be sent to other threads, like block lists. */
function basesOfCore(): object[] {
  const emitter: object[] = [EventEmitter];
  if (CORE_MAJOR !== 20) return emitter;
  const base = Object.getPrototypeOf(coreModule('node:net').BlockList) as object;
  return base === Function.prototype ? emitter : [...emitter, base];
}

async function classOfOpened(): Promise<CoreFileHandleClass> {
  const handle = await core.open('/dev/null', 'r');
  await handle.close();
  return handle.constructor as unknown as CoreFileHandleClass;
}

/** Leaves a handle of core's class as core leaves one that it has passed on: closed, and its methods tell why, where this version does. */
export function noteTransferred(handle: object, { prototype }: { readonly prototype: object }): void {
  // Core reads the reason before it refuses; it has no name but for who is asked for it.
  let reason: symbol | undefined;
  const closed = new Proxy(handle, {
    get(_handle, key) {
      if (typeof key === 'symbol' && key.description === 'kCloseReason') reason = key;
      return key === 'fd' ? -1 : typeof key === 'symbol' ? null : undefined;
    },
  });
  (prototype as CoreFileHandle).sync.call(closed as CoreFileHandle).catch(() => {});
  if (reason !== undefined) define(handle, reason, { value: 'The FileHandle has been transferred', writable: true });
}

/** Core's native handle for a descriptor, which belongs to it from then on; what core passes from thread to thread. */
export function nativeHandle(fd: number): object {
  // Deprecated for its instability; nothing else makes such a handle at once, and being transferred cannot wait.
  const binding = (process as unknown as { binding(name: string): { FileHandle: new (fd: number) => object } }).binding('fs');
  return new binding.FileHandle(fd);
}
