/**
 * Stacks of errors that the ring reports: nobody's call is under way by then, and the stack would show the ring's own frames alone.
 */

/**
 * Makes a promise that fails with the error, once the error's stack names the functions that wait for it, as core's `fs/promises` has it.
 *
 * Resolve with it the promise that the caller was given: nothing is spent on promises that do not fail. V8 finds who waits by the promise that the running
 * job is about to settle, so this job has to be one of two: the first lets the caller's promise follow this one.
 */
export async function failing(error: Error): Promise<never> {
  await Promise.resolve();
  await Promise.resolve();
  Error.captureStackTrace(error, failing);
  throw error;
}
