/** A file written over from its beginning to its end. */
import { fileScenario, sequentialCases } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-write-sequential',
  title: 'A file of 1 GiB written over from beginning to end',
  unit: 'megabyte',
  needs: 'overwrite',
  fio: 'write',
  arms: ['core', 'core-streams', 'core-sync', 'ours', 'ours-streams', 'core-again', 'bun', 'fio'],
  cases: sequentialCases,
});
