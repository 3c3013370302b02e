/**
 * How a module request is answered: the `resolve` hook, on this thread (`registerHooks`) or on that of the hooks (`register`).
 */
import { bareName, type Replacement } from './table.ts';

/** What a hook needs to know. */
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

/** The hook for `registerHooks`, which sees `require` as well as `import`. */
export function answerInThread(data: HookData) {
  return (specifier: string, context: Context, next: Next<Answer>): Answer =>
    answer(data, specifier, context) ?? next(specifier, context);
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
