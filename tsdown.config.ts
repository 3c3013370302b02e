import { defineConfig } from 'tsdown';
import { coreImports } from './scripts/core-imports.mjs';
import { esmFaces } from './scripts/esm-faces.mjs';
import { namespaceTypes } from './scripts/namespace-types.mjs';
import { plainExports } from './scripts/plain-exports.mjs';

/**
 * Public entry points: the name in `exports` of package.json, and the file behind it.
 * To add a facade, add a line here and the same name to `exports`.
 */
const entries = {
  index: 'ts/index.ts',
  net: 'ts/net/index.ts',
  dgram: 'ts/dgram/index.ts',
  // Loaded by the files around it, when there is a connection.
  connections: 'ts/net/connections.ts',
  http: 'ts/http/index.ts',
  https: 'ts/https/index.ts',
  tls: 'ts/tls/index.ts',
  http2: 'ts/http2/index.ts',
  // Loaded by the former alone, first of all.
  'core-http2': 'ts/http2/core.ts',
  register: 'ts/register/index.ts',
  // Loaded by the former alone.
  'register-hooks': 'ts/register/hooks.ts',
  // Likewise.
  backend: 'ts/register/backend.ts',
  received: 'ts/register/received.ts',
  fs: 'ts/fs/index.ts',
  transport: 'ts/transport/index.ts',
  // What its workers' threads run.
  'transport-thread': 'ts/transport/thread.ts',
  // The program `iouring-transport`.
  cli: 'ts/cli/index.ts',
};

/** Facades that pass everything of core's module on but for what they replace. */
const wholes = {
  net: 'node:net',
  dgram: 'node:dgram',
  http: 'node:http',
  https: 'node:https',
  tls: 'node:tls',
  http2: 'node:http2',
  fs: 'node:fs/promises',
};

/** Facades that stand for core's modules. */
const facades = Object.keys(wholes);

/** What an entry exports by getters, which the build cannot see. */
const onDemand = { net: ['Socket', 'Stream', 'peerCredentials', 'receiveDescriptors', 'sendDescriptors'] };

/** What is to be run before the other imports of an entry. */
const firsts = { http2: 'core-http2' };

// The implementation is emitted once, as CommonJS; `import` gets a thin ES module in front of the very same file, so that both
// share one reactor and one set of classes.
export default defineConfig({
  entry: entries,
  outDir: 'dist',
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  dts: true,
  clean: true,
  // Loaded when it is needed, by a literal that stays as it is.
  deps: { neverBundle: [/^\.\.\/connections\.cjs$/] },
  logLevel: 'warn',
  failOnWarn: true,
  checks: { legacyCjs: false }, // It advises against CommonJS.
  sourcemap: false,
  minify: false,
  hash: false,
  outputOptions: {
    // `require()` must give what core's module gives: the exports and nothing else.
    esModule: false,
    exports: 'named',
    generatedCode: { symbols: false },
    // Every program that starts would read them. Names and lines stay, for stack traces.
    comments: { legal: false, annotation: false, jsdoc: false },
    // What most entries need is one file: finding and opening a second one costs a program that starts more than what is in it.
    // Of types each file stays by itself: a group would be named in the imports and not be written.
    codeSplitting: {
      // What datagram sockets or files alone need is not in it, nor is what one entry has of its own.
      groups: [
        {
          name: 'ring',
          test: /[\\/]ts[\\/](?:(?:core|errors|net|reactor)[\\/](?!(?:datagram-handle|ancillary|pending-sends|peers|ring-file)\.))?[\w-]+\.ts$/,
          minShareCount: 2,
        },
      ],
    },
  },
  inputOptions: {
    // Protocol numbers become literals where they are used: the dispatch loop runs once a message.
    optimization: { inlineConst: { mode: 'all', pass: 2 } },
    // An entry gets the files that it uses something of, and not all that `ts/reactor/index.ts` names.
    treeshake: { moduleSideEffects: [{ test: /./, external: false, sideEffects: false }] },
  },
  plugins: [coreImports(), plainExports(), esmFaces(facades, wholes, firsts, onDemand)],
  hooks: { 'build:done': namespaceTypes },
});
