/**
 * Tests that need what is not to be had everywhere.
 */
import test, { type ExecutionContext } from 'ava';

type Declare = (title: string, body: (t: ExecutionContext) => unknown) => void;

/**
 * Declares tests as `declare` does, where there is what they need. Elsewhere they are skipped, and their titles say what was missing.
 *
 * @param what is needed: goes behind `needs` in the title
 */
export function needs(what: string, there: boolean, declare: Declare = test.serial): Declare {
  return there ? declare : (title, body) => test.skip(`${title} (skipped: needs ${what})`, body);
}
