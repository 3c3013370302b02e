/** Records that are on the disk when they are acknowledged. */
import { fileScenario } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-durable-append',
  title: 'Durable appends of 128 B',
  unit: 'append',
  arms: ['core', 'core-sync', 'ours', 'core-again', 'bun'],
  cases: (quick) => (quick ? [8] : [1, 8]).map((depth) => ({ name: `${depth} under way`, depth })),
});
