/**
 * When `import` may be used. Before Node 22.15 it can be answered only by hooks that run on a thread of their own, which costs some 70 ms and 11 MiB:
 * too much for programs that never use it.
 *
 * An ES module, or a script with an `import()`, has the word in its text. So the texts are looked at as they are loaded: that of the program here, those of
 * CommonJS modules right before they are compiled. A word in a comment starts the thread in vain, which does no harm.
 */
import { readFileSync } from 'node:fs';
import Module from 'node:module';
import process from 'node:process';

/** Only modules that say one of these can load others as ES modules do. */
const MAY_IMPORT = /\b(?:import|export)\b/;

/** What this file needs of CommonJS modules and their typings do not have. */
interface Compiling {
  load(this: Module, filename: string): void;
  _compile(this: Module, content: string, filename: string, ...rest: unknown[]): unknown;
}

/**
 * Calls back once, at the latest right before the first ES module is loaded, or a script with an `import()` is run.
 *
 * @param own folder of this package, whose files get core's modules whatever they say
 */
export function beforeImports(own: string, begin: () => void): void {
  if (programMayImport()) {
    begin();
    return;
  }
  const prototype = Module.prototype as unknown as Compiling;
  const { load, _compile: compile } = prototype;
  // These stay where they are: somebody may have wrapped them in the meantime.
  let begun = false;
  const beginIf = (found: boolean): void => {
    if (begun || !found) return;
    begun = true;
    begin();
  };
  prototype.load = function loadWatched(filename) {
    // An ES module by its name: nothing of it is compiled as CommonJS.
    beginIf(filename.endsWith('.mjs'));
    load.call(this, filename);
  };
  prototype._compile = function compileWatched(content, filename, ...rest) {
    beginIf(!filename.startsWith(own) && MAY_IMPORT.test(content));
    return compile.call(this, content, filename, ...rest);
  };
}

/** Whether the program itself may, or anything that is loaded before it. */
function programMayImport(): boolean {
  const { argv, execArgv, env } = process;
  const [, program] = argv;
  // Ours is one. What else is loaded so may be an ES module.
  const loaded =
    `${execArgv.join(' ')} ${env['NODE_OPTIONS'] ?? ''}`.match(/--(?:import|(?:experimental-)?loader)\b/g)?.length ?? 0;
  if (loaded > 1) return true;
  const text = '_eval' in process ? process._eval : undefined;
  if (typeof text === 'string') return MAY_IMPORT.test(text);
  if (program === undefined) return true; // Standard input, or a prompt.
  try {
    return MAY_IMPORT.test(readFileSync(Module.createRequire(`${process.cwd()}/`).resolve(program), 'utf8'));
  } catch {
    return true; // Something that only hooks of others can load.
  }
}
