/**
 * `FileHandle.readableWebStream()`.
 */
import process from 'node:process';
import { ReadableStream } from 'node:stream/web';
import { CORE_MAJOR } from '../core/version.ts';
import { ERR_INVALID_STATE } from '../errors/core.ts';
import { validateBoolean, validateObject, validateString } from '../validate.ts';
import type { FileState } from './file-state.ts';

const CHUNK = 16384;

/** From Node 22 on these streams always are byte streams. */
const ALWAYS_BYTES = CORE_MAJOR >= 22;

/** Core's own words. */
const NO_EFFECT = 'A non-"bytes" options.type has no effect. A byte-oriented steam is always created.';

/** What is asked of a FileHandle here: its methods, which a user may have replaced. */
export interface WebStreamSource extends NodeJS.EventEmitter {
  read(view: Uint8Array, offset: number, length: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** A stream over the rest of the file. It may be asked for once. */
export function webStream(
  handle: WebStreamSource,
  state: FileState,
  options: { type?: unknown; autoClose?: unknown } = {},
): ReadableStream {
  if (state.closing) throw new ERR_INVALID_STATE('The FileHandle is closing');
  if (state.fd === -1) throw new ERR_INVALID_STATE('The FileHandle is closed');
  if (state.locked) throw new ERR_INVALID_STATE('The FileHandle is locked');
  state.locked = true;
  if (ALWAYS_BYTES) validateObject(options, 'options');
  const { type, autoClose = false } = options;
  if (ALWAYS_BYTES) {
    validateBoolean(autoClose, 'options.autoClose');
    if (type !== undefined && type !== 'bytes') process.emitWarning(NO_EFFECT, 'ExperimentalWarning');
  } else if (type !== undefined) {
    validateString(type, 'options.type');
  }
  state.enter();

  let open = true;
  const finish = () => {
    if (!open) return;
    open = false;
    state.leave();
    if (autoClose) void handle.close();
  };
  const next = async (view: Uint8Array) => {
    const { bytesRead } = await handle.read(view, 0, view.byteLength);
    if (bytesRead === 0) finish();
    return bytesRead;
  };
  const fail = (error: unknown) => {
    finish();
    throw error;
  };

  let controller: ReadableStreamDefaultController | ReadableByteStreamController;
  const readable: ReadableStream =
    ALWAYS_BYTES || type === 'bytes'
      ? new ReadableStream({
          type: 'bytes',
          autoAllocateChunkSize: CHUNK,
          start(its) {
            controller = its;
          },
          async pull(its) {
            const wanted = its.byobRequest!;
            const view = wanted.view as Uint8Array;
            const count = await next(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)).catch(fail);
            if (count === 0 && open === false) its.close();
            wanted.respond(count);
          },
          cancel: finish,
        })
      : new ReadableStream({
          start(its) {
            controller = its;
          },
          async pull(its) {
            const bytes = new Uint8Array(CHUNK);
            const count = await next(bytes).catch(fail);
            if (count === 0) its.close();
            else its.enqueue(bytes.buffer.slice(0, count));
          },
          cancel: finish,
        });
  // Closing the handle ends the stream, whoever holds a reader on it.
  handle.once('close', () => {
    finish();
    try {
      controller.close();
      (controller as ReadableByteStreamController).byobRequest?.respond(0);
    } catch {
      // It had ended already.
    }
  });
  return readable;
}
