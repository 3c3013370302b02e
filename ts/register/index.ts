/**
 * `node --import iouring-transport/register app.js`: from then on application code that asks for `node:net`, `node:http`, `node:https`, `node:tls`,
 * `node:http2`, `node:dgram` or `node:fs/promises` gets ours, by `require`, `import` or `process.getBuiltinModule`, with and without `node:`. So does who
 * asks for the `promises` of `node:fs`, which is core's otherwise. Node's internals and this package itself keep core's. Where io_uring cannot be used
 * nothing is changed.
 *
 * Nothing is loaded, and no ring is made, before one of them is asked for.
 *
 * @packageDocumentation
 */
import fs from 'node:fs';
import Module from 'node:module';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';
import type { Backend } from '../support.ts';
import { answerInThread, type HookData } from './answer.ts';
import { beforeImports } from './es-modules.ts';
import { exchangeReceived, type Exchange } from './receiving.ts';
import { bareName, replacements, type Replacement } from './table.ts';

/** What this file needs of `node:module` and its typings do not have, or not as what can be replaced. */
interface ModuleInternals {
  _load(request: unknown, parent: { filename?: string | null } | undefined, isMain: boolean): unknown;
  register(specifier: string, options: { data: HookData }): void;
  syncBuiltinESMExports: () => void;
  registerHooks?: (hooks: { resolve: ReturnType<typeof answerInThread> }) => void;
}

const modules = Module as unknown as ModuleInternals;
const folder = new URL('.', import.meta.url).href;
const loadOwn = Module.createRequire(import.meta.url);
const load = modules._load;
const table = replacements();

let backend: Backend | undefined;

/** Whether there is a ring for what is asked for: decided by the first who asks. */
function onRing(): boolean {
  backend ??= (loadOwn('./backend.cjs') as { selectBackend: () => Backend }).selectBackend();
  return backend === 'uring';
}

/** What answers a request for one of core's modules, where it is not core. */
function replacementOf(request: unknown): Replacement | undefined {
  const found = typeof request === 'string' ? table.get(bareName(request)) : undefined;
  return found !== undefined && onRing() ? found : undefined;
}

function redirect(): void {
  if (modules.registerHooks !== undefined) {
    modules.registerHooks({ resolve: answerInThread({ folder, table }, onRing) });
  } else {
    const own = fileURLToPath(folder);
    redirectRequire(own);
    beforeImports(own, () => {
      if (onRing()) modules.register(new URL('register-hooks.mjs', folder).href, { data: { folder, table } });
    });
  }
  redirectBuiltins();
  redirectPromises();
  exchangeReceived(() => (onRing() ? (loadOwn('./received.cjs') as { exchange: Exchange }).exchange : undefined));
}

/** `require`, before Node 22.15, where hooks do not see it. */
function redirectRequire(own: string): void {
  modules._load = function redirected(request, parent, isMain) {
    const replacement = parent?.filename?.startsWith(own) === true ? undefined : replacementOf(request);
    return Reflect.apply(load, this, [replacement === undefined ? request : replacement.file, parent, isMain]);
  };
}

/** `process.getBuiltinModule`, from Node 20.16 and 22.3. */
function redirectBuiltins(): void {
  const { getBuiltinModule } = process as { getBuiltinModule?: (id: string) => object | undefined };
  if (getBuiltinModule === undefined) return;
  Object.defineProperty(process, 'getBuiltinModule', {
    __proto__: null,
    value: function redirected(id: string): object | undefined {
      const replacement = replacementOf(String(id));
      return replacement === undefined ? getBuiltinModule(id) : (loadOwn(replacement.file) as object);
    },
    writable: true,
    configurable: true,
    enumerable: true,
  } as PropertyDescriptor);
}

/** `promises` of `node:fs`, whose other functions block and stay core's. */
function redirectPromises(): void {
  const { get: core } = Object.getOwnPropertyDescriptor(fs, 'promises')!;
  Object.defineProperty(fs, 'promises', {
    __proto__: null,
    get(): unknown {
      const replacement = replacementOf('fs/promises');
      return replacement === undefined ? core!.call(fs) : loadOwn(replacement.file);
    },
    configurable: true,
    enumerable: true,
  } as PropertyDescriptor);
}

/** `module.syncBuiltinESMExports()`, which who replaces an export, as mocks do, calls for those who have imported it by its name. */
function redirectNames(faces: readonly (() => void)[]): void {
  const { syncBuiltinESMExports: core } = modules;
  modules.syncBuiltinESMExports = function syncBuiltinESMExports(): void {
    core();
    for (const follow of faces) follow();
  };
  // For who has imported `node:fs` or `node:module` before.
  core();
}

/**
 * Core's modules for the files of this package, past whatever has been put in the place of `require`: tracers (require-in-the-middle) give all who ask for `net` what the first of
 * them has got, which is ours. Not enumerable, as what follows; see `scripts/core-imports.mjs`.
 */
const CORE = Symbol.for('iouring-transport.core');

function leaveWayToCore(): void {
  const own = Object.assign(new Module(fileURLToPath(import.meta.url)), { filename: fileURLToPath(import.meta.url) });
  Object.defineProperty(globalThis, CORE, {
    __proto__: null,
    value: (id: string) => load.call(Module, id, own, false),
  } as PropertyDescriptor);
}

/**
 * Once for a thread, however often and by whichever name this file is loaded. ES modules of this package that stand for core's leave here what has their
 * names follow the module's object.
 */
const FACES = Symbol.for('iouring-transport.registered');

if (!(FACES in globalThis) && process.env['IOURING_TRANSPORT'] !== 'core') {
  const faces: (() => void)[] = [];
  Object.defineProperty(globalThis, FACES, { __proto__: null, value: faces } as PropertyDescriptor);
  leaveWayToCore();
  redirect();
  redirectNames(faces);
}
