/**
 * Tests that need what is not to be had everywhere.
 */
import process from 'node:process';
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

/**
 * The same for tests in which a process becomes another user. Besides root that takes a Node.js which lets it: one with a libuv that may use io_uring by itself, as
 * Debian's 20.19, throws (CVE-2024-22017).
 */
export function needsAnotherUser(declare: Declare = test.serial): Declare {
  return needs('root, and a Node.js that lets it become another user', becomesAnotherUser(), declare);
}

function becomesAnotherUser(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    process.setgroups!(process.getgroups!());
    return true;
  } catch {
    return false;
  }
}
