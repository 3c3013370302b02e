/**
 * Entries of type `net` for `PerformanceObserver`: one for every TCP connect, as core makes them.
 *
 * There is no public way to make an entry of that type, so core makes it: what it does at the end of a connect is run on a stand-in for one of
 * its sockets, which looks as if it had just been connected. How that stand-in has to look is learned once, from a core socket whose
 * handle does nothing. Where core looks different from what is expected here there are no entries, and nothing else changes.
 */
import core from 'node:net';
import type perfHooks from 'node:perf_hooks';
import process from 'node:process';
import { nextTick } from '../timers.ts';
import { withoutAnnouncing } from './client-channel.ts';
import type { Target } from './target.ts';

/** Called when the connection stands. */
export type ConnectMark = (() => void) | null;

type AfterConnect = (status: number, handle: object, request: object, readable: boolean, writable: boolean) => void;

interface Ways {
  /** What core calls when a connect has ended. Makes an entry where somebody observes. */
  readonly afterConnect: AfterConnect;
  /** Leads from a handle to its socket. */
  readonly owner: symbol;
  /** Where a socket keeps what the entry will say. */
  readonly mark: symbol;
}

let hooks: typeof perfHooks | undefined;
let ways: Ways | null | undefined;
let learning = false;

/** Notes the start of a connect. Null for UNIX-domain sockets, for which core makes no entries. */
export function noteConnect({ address, port, family }: Target): ConnectMark {
  if (family === undefined || ways === null) return null;
  const { performance, PerformanceObserver } = (hooks ??= process.getBuiltinModule('node:perf_hooks'));
  if (!learning) learn(PerformanceObserver);
  const startTime = performance.now();
  return () => makeEntry({ type: 'net', name: 'connect', startTime, detail: { host: address, port } });
}

function makeEntry(mark: object): void {
  if (!ways) return;
  const socket = {
    connecting: true,
    destroyed: false,
    readable: false,
    writable: false,
    emit: () => false,
    isPaused: () => true,
    _unrefTimer() {},
    [ways.mark]: mark,
  };
  try {
    ways.afterConnect(0, { [ways.owner]: socket }, {}, false, false);
  } catch {
    ways = null;
  }
}

/** Lets a core socket connect through a handle that does nothing, on the next tick, while somebody seems to observe. */
function learn(Observer: typeof perfHooks.PerformanceObserver): void {
  learning = true;
  const observer = new Observer(() => {});
  const seen = (handle: object, request: { oncomplete?: AfterConnect }) => {
    const owner = symbolOf(handle, 'owner_symbol');
    const afterConnect = request.oncomplete;
    // Core puts the mark on its socket right after this call.
    nextTick(() => {
      observer.disconnect();
      const mark = symbolOf(socket, 'kPerfHooksNetConnectContext');
      ways = owner && mark && typeof afterConnect === 'function' ? { afterConnect, owner, mark } : null;
    });
    return 0;
  };
  const handle = {
    connect: (request: object) => seen(handle, request),
    readStart: () => 0,
    readStop: () => 0,
    close() {},
  };
  let socket: core.Socket;
  try {
    observer.observe({ type: 'net' as never });
    socket = new core.Socket({ handle, manualStart: true } as core.SocketConstructorOpts);
    withoutAnnouncing(() => void socket.connect({ host: '127.0.0.1', port: 1 }));
  } catch {
    observer.disconnect();
    ways = null;
  }
}

function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description);
}
