import { defineConfig } from 'tsdown';
import { esmFaces } from './scripts/esm-faces.mjs';

/**
 * Public entry points: the name in `exports` of package.json, and the file behind it.
 * To add a facade, add a line here and the same name to `exports`.
 */
const entries = {
  index: 'ts/index.ts',
  net: 'ts/net/index.ts',
};

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
  logLevel: 'warn',
  failOnWarn: true,
  checks: { legacyCjs: false }, // It advises against CommonJS.
  sourcemap: false,
  minify: false,
  hash: false,
  // `require()` must give what core's module gives: the exports and nothing else.
  outputOptions: { esModule: false, exports: 'named', generatedCode: { symbols: false } },
  // Protocol numbers become literals where they are used: the dispatch loop runs once a message.
  inputOptions: { optimization: { inlineConst: { mode: 'all', pass: 2 } } },
  plugins: [esmFaces()],
});
