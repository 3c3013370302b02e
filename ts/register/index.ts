/**
 * `node --import iouring-transport/register app.js`: from then on application code that asks for `node:net`, `node:http`, `node:https`, `node:tls` or
 * `node:http2` gets ours, by `require`, `import` or `process.getBuiltinModule`, with and without `node:`. Node's internals and this package
 * itself keep core's. Where io_uring cannot be used nothing is changed.
 *
 * @packageDocumentation
 */
import Module from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { selectBackend } from '../support.ts';
import { answerInThread, type HookData } from './answer.ts';
import { bareName, replacements, type Replacement } from './table.ts';

/** What this file needs of `node:module` and its typings do not have. */
interface ModuleInternals {
  _load(request: unknown, parent: { filename?: string | null } | undefined, isMain: boolean): unknown;
  register(specifier: string, options: { data: HookData }): void;
  registerHooks?: (hooks: { resolve: ReturnType<typeof answerInThread> }) => void;
}

const modules = Module as unknown as ModuleInternals;
const folder = new URL('.', import.meta.url).href;
const load = modules._load;

function redirect(): void {
  const table = replacements(folder);
  if (modules.registerHooks !== undefined) {
    modules.registerHooks({ resolve: answerInThread({ folder, table }) });
  } else {
    redirectRequire(table);
    modules.register(new URL('register-hooks.mjs', folder).href, { data: { folder, table } });
  }
  redirectBuiltins(table);
}

/** `require`, before Node 22.15, where hooks do not see it. */
function redirectRequire(table: ReadonlyMap<string, Replacement>): void {
  const own = fileURLToPath(folder);
  modules._load = function redirected(request, parent, isMain) {
    const replacement = typeof request === 'string' ? table.get(bareName(request)) : undefined;
    const foreign = replacement !== undefined && parent?.filename?.startsWith(own) !== true;
    return Reflect.apply(load, this, [foreign ? replacement.file : request, parent, isMain]);
  };
}

/** `process.getBuiltinModule`, from Node 20.16 and 22.3. */
function redirectBuiltins(table: ReadonlyMap<string, Replacement>): void {
  const { getBuiltinModule } = process as { getBuiltinModule?: (id: string) => object | undefined };
  if (getBuiltinModule === undefined) return;
  const loadOwn = Module.createRequire(import.meta.url);
  Object.defineProperty(process, 'getBuiltinModule', {
    value: function redirected(id: string): object | undefined {
      const replacement = table.get(bareName(String(id)));
      return replacement === undefined ? getBuiltinModule(id) : (loadOwn(replacement.file) as object);
    },
    writable: true,
    configurable: true,
    enumerable: true,
  });
}

/** Once for a thread, however often and by whichever name this file is loaded. */
const DONE = Symbol.for('iouring-transport.registered');

if (!(DONE in globalThis) && selectBackend() === 'uring') {
  Object.defineProperty(globalThis, DONE, { value: true });
  redirect();
}
