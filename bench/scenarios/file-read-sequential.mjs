/** A file read from its beginning to its end. */
import { fileScenario, sequentialCases } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-read-sequential',
  title: 'A file of 1 GiB read from beginning to end',
  unit: 'megabyte',
  needs: 'sequential',
  fio: 'read',
  arms: ['core', 'core-streams', 'core-sync', 'ours', 'ours-streams', 'core-again', 'bun', 'fio'],
  cases: sequentialCases,
});
