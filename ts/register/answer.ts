/**
 * How a module request is answered: the `resolve` hook, on this thread (`registerHooks`) or on that of the hooks (`register`).
 */
import { bareName, type Replacement } from './table.ts';

/** What a hook needs to know; it can be sent to another thread. */
export interface HookData {
  /** Where this package's files are, as a URL. What asks from there gets core's modules. */
  readonly folder: string;
  readonly table: ReadonlyMap<string, Replacement>;
}

interface Context {
  readonly conditions?: readonly string[];
  readonly parentURL?: string | undefined;
}

interface Answer {
  readonly url: string;
  readonly format?: string;
  readonly shortCircuit?: boolean;
}

type Next<Result> = (specifier: string, context?: Context) => Result;

/** The hook for `registerHooks`, which sees `require` as well as `import`. `wanted` is asked once there is a replacement. */
export function answerInThread(data: HookData, wanted: () => boolean) {
  return (specifier: string, context: Context, next: Next<Answer>): Answer => {
    const found = answer(data, specifier, context);
    return found !== undefined && wanted() ? found : next(specifier, context);
  };
}

/** The replacement for a request, where there is one. */
export function answer({ folder, table }: HookData, specifier: string, context: Context): Answer | undefined {
  const replacement = table.get(bareName(specifier));
  if (replacement === undefined || context.parentURL?.startsWith(folder) === true) return undefined;
  const required = context.conditions?.includes('require') === true;
  return required
    ? { url: replacement.commonJs, format: 'commonjs', shortCircuit: true }
    : { url: replacement.esModule, format: 'module', shortCircuit: true };
}
