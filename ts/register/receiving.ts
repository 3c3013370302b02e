/**
 * What other processes send: `process.on('message', (message, handle) => …)`, and the same of children, gives ours in the place of core's.
 *
 * Core's child_process makes sockets and servers of its own of the handles that arrive, and tells of them by events. That is where they are exchanged.
 */
import diagnostics from 'node:diagnostics_channel';
import process from 'node:process';

/** Passes on what is ours in the place of what was received. */
export type Exchange = (received: object, pass: (thing: unknown) => void) => void;

type Emit = (this: unknown, event: string | symbol, message?: unknown, handle?: unknown, ...rest: unknown[]) => boolean;

/** An end of a channel between processes. */
interface ChannelEnd {
  emit: Emit;
}

/** @param exchange asked for when something has arrived; undefined where everything stays core's */
export function exchangeReceived(exchange: () => Exchange | undefined): void {
  if (process.channel !== undefined) watch(process as unknown as ChannelEnd, exchange);
  diagnostics.channel('child_process').subscribe((message) => watch((message as { process: ChannelEnd }).process, exchange));
}

function watch(end: ChannelEnd, exchange: () => Exchange | undefined): void {
  const { emit } = end;
  end.emit = function emitExchanged(...args) {
    const [event, message, handle, ...rest] = args;
    const isReceived = event === 'message' && typeof handle === 'object' && handle !== null;
    const pass = isReceived ? exchange() : undefined;
    if (pass === undefined) return Reflect.apply(emit, this, args);
    pass(handle as object, (thing) => emit.call(this, event, message, thing, ...rest));
    return true;
  };
}
