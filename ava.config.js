import { readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inRoot } from './scripts/lib.mjs';
import { javaScriptOf } from './scripts/typescript/compiled.mjs';

// Specs are TypeScript. They import the built package by its own name (`iouring-transport/net`), so what is tested is what is
// published; `npm test` builds first.
export default () => {
  const specs = inRoot('__test__');
  // Before hundreds of processes ask.
  for (const file of readdirSync(specs, { recursive: true })) if (file.endsWith('.ts')) javaScriptOf(path.join(specs, file));
  return {
    files: ['__test__/**/*.spec.ts'],
    extensions: { ts: 'module' },
    nodeArguments: [`--import=${inRoot('scripts', 'typescript', 'register.mjs')}`],
    // A process each: specs end processes, count descriptors and set environment variables.
    workerThreads: false,
    // One more than there are processors: most specs wait for longer than they compute.
    concurrency: 1 + os.availableParallelism(),
    timeout: '60s',
    failFast: false,
  };
};
