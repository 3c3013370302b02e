/** Random writes of 4 KiB. */
import { fileScenario, randomCases } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-write-random',
  title: 'Random writes to a file',
  needs: 'write',
  operation: 'write',
  fio: 'randwrite',
  arms: ['core', 'core-callbacks', 'core-sync', 'ours', 'ours-batch', 'core-again', 'native-floor', 'bun', 'fio'],
  cases: randomCases(true),
});
