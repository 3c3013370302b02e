/** What the process was started with, where it may be asked: Deno gives variables and the kernel's release to those alone that it was told to. */
import process from 'node:process';

/** A variable of the environment; undefined where it is not set, or may not be looked at. */
export function environment(name: string): string | undefined {
  return unlessForbidden(() => process.env[name]);
}

/** What a function gives; undefined where it throws. */
export function unlessForbidden<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
