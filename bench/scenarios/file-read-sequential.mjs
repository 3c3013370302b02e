/** A file read from its beginning to its end. */
import { fileScenario } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-read-sequential',
  title: 'A file read from beginning to end',
  unit: 'megabyte',
  needs: 'large',
  arms: ['core', 'ours', 'core-again'],
  cases: () => [64, 1024].map((kib) => ({ name: `${kib} KiB at a time`, size: kib * 1024 })),
});
