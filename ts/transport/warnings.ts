/** What has failed where nobody listens, and the process goes on. */
import process from 'node:process';
import { inspect } from 'node:util';

/** Warns of a worker. @param cause what it has thrown */
export function warnOfWorker(message: string, cause: unknown): void {
  process.emitWarning(message, {
    type: 'IouringTransportWarning',
    code: 'IOURING_TRANSPORT_WORKER_FAILED',
    detail: inspect(cause),
  });
}
