/** Progress bars, and nothing at all where there is no terminal to draw them on. */
import progress from 'cli-progress';

/** A bar that counts to `total`. */
export function progressBar(title, total, unit) {
  const bar = new progress.SingleBar({
    format: `${title.padEnd(18)} {bar} {value} / {total} ${unit}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  return bar;
}
