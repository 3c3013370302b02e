// Specs are TypeScript, run by Node through tsx. They import the built package by its own name (`iouring-transport/net`), so what
// is tested is what is published; `npm test` builds first.
export default {
  files: ['__test__/**/*.spec.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  // A process each: specs end processes, count descriptors and set environment variables.
  workerThreads: false,
  timeout: '60s',
  failFast: false,
};
