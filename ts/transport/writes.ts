/** Writes of a connection: what can be written, and what is told of many. */
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { PayloadReleasedError } from '../errors/iouring.ts';
import { Deferred } from './deferred.ts';
import { Payload } from './payload.ts';

/** @throws core's `ERR_INVALID_ARG_TYPE` */
export function validateWrite(data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('data', ['Uint8Array', 'Payload'], data);
}

/** Checks all before the first is written. @throws likewise; {@link PayloadReleasedError} */
export function validateWrites(list: unknown): void {
  if (!Array.isArray(list)) throw new ERR_INVALID_ARG_TYPE('list', 'Array', list);
  for (const item of list) {
    if (!(item instanceof Payload)) validateWrite(item);
    else if (item.released) throw new PayloadReleasedError();
  }
}

/** Tells of each as it is over. Quiet where a write has failed, which `closed` tells of as well, but not where a callback throws. */
export function settleEach(
  writes: readonly Promise<void>[],
  onDone: ((index: number) => void) | undefined,
  onError: ((error: Error, index: number) => void) | undefined,
): Promise<void> {
  const all = new Deferred<void>();
  const failures = new Set<Error>();
  const told = writes.map((write, index) =>
    write.then(
      () => onDone?.(index),
      (error: Error) => {
        onError?.(error, index);
        failures.add(error);
        throw error;
      },
    ),
  );
  Promise.all(told).then(
    () => all.resolve(),
    (error: Error) => {
      if (failures.has(error)) all.quiet();
      all.reject(error);
    },
  );
  return all.promise;
}
