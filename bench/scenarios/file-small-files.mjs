/** Small files: open, stat, read and close; or readFile. */
import { fileScenario } from '../lib/files.mjs';

export default fileScenario({
  name: 'file-small-files',
  title: 'Small files',
  unit: 'file',
  needs: 'small',
  arms: ['core', 'core-sync', 'ours', 'core-again', 'bun'],
  cases: (quick) =>
    [false, true].flatMap((whole) =>
      (quick ? [32] : [1, 32]).map((depth) => ({
        name: `${whole ? 'readFile' : 'open, stat, read and close'}, ${depth} under way`,
        depth,
        whole,
      })),
    ),
});
