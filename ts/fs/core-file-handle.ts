/**
 * Core's FileHandle class, which it does not export, and the symbols by which it talks to its handles.
 */
import core from 'node:fs/promises';
import process from 'node:process';

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

let found: Promise<Core> | undefined;

/** Finds core's class by opening a file with it, once. */
export function findCore(): Promise<Core> {
  return (found ??= find());
}

async function find(): Promise<Core> {
  const handle = await core.open('/dev/null', 'r');
  const Class = handle.constructor as unknown as CoreFileHandleClass;
  const prototype = Class.prototype as object;
  await handle.close();
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

/** Core's native handle for a descriptor, which belongs to it from then on; what core passes from thread to thread. */
export function nativeHandle(fd: number): object {
  // Deprecated for its instability; nothing else makes such a handle at once, and being transferred cannot wait.
  const binding = (process as unknown as { binding(name: string): { FileHandle: new (fd: number) => object } }).binding('fs');
  return new binding.FileHandle(fd);
}
