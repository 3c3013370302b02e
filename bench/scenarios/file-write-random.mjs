/** Random writes of 4 KiB. */
import { fileScenario, randomCases } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-write-random',
  title: 'Random writes to a file',
  needs: 'large',
  operation: 'write',
  arms: ['core', 'core-callbacks', 'core-sync', 'ours', 'ours-batch', 'core-again', 'native-floor'],
  cases: randomCases,
});
