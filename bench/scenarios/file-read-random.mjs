/** Random reads of 4 KiB. */
import { fileScenario, randomCases } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-read-random',
  title: 'Random reads of a file',
  needs: 'read',
  operation: 'read',
  fio: 'randread',
  arms: ['core', 'core-callbacks', 'core-sync', 'ours', 'ours-batch', 'core-again', 'native-floor', 'bun', 'fio'],
  cases: randomCases(false),
});
