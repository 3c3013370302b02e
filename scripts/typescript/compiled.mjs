/**
 * Compiles TypeScript, once for each text: a run of the specs is hundreds of processes, and each would take longer to load a compiler than to do its work.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { inRoot } from '../lib.mjs';

const folder = inRoot('node_modules', '.cache', 'typescript');
const require = createRequire(import.meta.url);

/**
 * @param {string} fileName path of a module
 * @returns {string} as JavaScript for the oldest Node that is supported, with a map to its source
 */
export function javaScriptOf(fileName) {
  const source = readFileSync(fileName, 'utf8');
  const key = createHash('sha256').update(`${fileName}\0${source}`).digest('hex');
  const kept = path.join(folder, `${key}.js`);
  try {
    return readFileSync(kept, 'utf8');
  } catch {
    const ts = require('typescript');
    const compilerOptions = {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    };
    const { outputText } = ts.transpileModule(source, { fileName, compilerOptions });
    mkdirSync(folder, { recursive: true });
    // Whoever compiles the same at the same time writes the same.
    const draft = `${kept}.${randomUUID()}`;
    writeFileSync(draft, outputText);
    renameSync(draft, kept);
    return outputText;
  }
}
