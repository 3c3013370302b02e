/** Small files: open, stat, read, close. */
import { fileScenario } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-small-files',
  title: 'Small files: open, stat, read and close',
  unit: 'file',
  needs: 'small',
  arms: ['core', 'ours', 'core-again'],
  cases: () => [1, 32].map((depth) => ({ name: `${depth} under way`, depth })),
});
