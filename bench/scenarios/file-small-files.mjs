/** Small files: open, stat, read and close; or readFile; or writeFile. */
import { fileScenario } from '../lib/files.mjs';

const WAYS = [
  ['steps', 'open, stat, read and close'],
  ['read', 'readFile'],
  ['write', 'writeFile'],
];

export default fileScenario({
  name: 'file-small-files',
  title: 'Small files',
  unit: 'file',
  needs: 'small',
  arms: ['core', 'core-sync', 'ours', 'core-again', 'bun'],
  cases: (quick) =>
    WAYS.flatMap(([way, name]) => (quick ? [32] : [1, 32]).map((depth) => ({ name: `${name}, ${depth} under way`, depth, way }))),
});
