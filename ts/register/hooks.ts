/**
 * The hooks for `module.register`, which run on a thread of their own: `import`, before Node 22.15.
 */
import { answer, type HookData } from './answer.ts';

type Resolve = (specifier: string, context: object) => Promise<{ url: string }>;

let data: HookData | undefined;

/** Called with what `module.register` was given. */
export function initialize(given: HookData): void {
  data = given;
}

/** The hook. */
export async function resolve(specifier: string, context: object, next: Resolve): Promise<{ url: string }> {
  return (data && answer(data, specifier, context)) ?? (await next(specifier, context));
}
