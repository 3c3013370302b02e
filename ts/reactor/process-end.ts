/**
 * The end of the process, for all reactors of a thread by one listener: a process warns of a leak where more than ten listen, and of instances of this package, each of which
 * has a reactor, there may be more.
 */
import { EventEmitter } from 'node:events';
import process from 'node:process';
import { define } from '../define.ts';
import type { NativeBinding } from '../native-binding.ts';
import { loadNative } from '../native.ts';

/** What the instances of a thread have in common is the binding. */
const ENDS = Symbol.for('iouring-transport.ends');

interface Shared {
  [ENDS]?: EventEmitter;
}

/** Calls `listener` when the process ends. @returns what takes that back */
export function whenProcessEnds(listener: () => void): () => void {
  const ends = endsOf(loadNative().binding!);
  ends.once('exit', listener);
  return () => void ends.off('exit', listener);
}

function endsOf(shared: NativeBinding & Shared): EventEmitter {
  if (shared[ENDS] === undefined) {
    const ends = new EventEmitter().setMaxListeners(0);
    define(shared, ENDS, { value: ends });
    // A function of this file would keep this instance of the package for as long as the process lives.
    process.once('exit', ends.emit.bind(ends, 'exit'));
  }
  return shared[ENDS]!;
}
