/**
 * Which streams have no use for the bytes of a chunk once they have called back for it, so that its memory may be filled again.
 *
 * That is no rule for streams: one that passes chunks on (a PassThrough) calls back while its reader still holds them. So it is known of the methods of a
 * few classes, and of nothing that replaces one of them.
 */
import type { OutgoingMessage } from 'node:http';
import net from 'node:net';
import { Writable } from 'node:stream';

interface WriteMethods {
  readonly _write: unknown;
  readonly _writev?: unknown;
}

const known = new WeakSet<object>();

/** Tells that the methods of a class are such. */
export function callsBackWhenDone({ _write, _writev }: WriteMethods): void {
  for (const method of [_write, _writev]) if (typeof method === 'function') known.add(method);
}

// TLSSocket has them from here.
callsBackWhenDone(net.Socket.prototype);

function isKnown(stream: Writable): boolean {
  return stream.write === Writable.prototype.write && known.has(stream._write) && known.has(stream._writev!);
}

/** Whether the memory of a chunk may be filled again once its callback has come without an error; false where that is not known. */
export async function isDoneAtCallback(stream: Writable): Promise<boolean> {
  if (isKnown(stream)) return true;
  const { socket } = stream as unknown as OutgoingMessage;
  if (!socket || !isKnown(socket)) return false;
  // It is loaded already where there are such messages. Middleware that compresses replaces `write`.
  const { OutgoingMessage: Message } = await import('node:http');
  return stream instanceof Message && stream.write === Message.prototype.write;
}
