/** Tables of what was measured. */
import Table from 'cli-table3';
import { digits, percent, short } from './format.mjs';
import { median, ratio, spread } from './statistics.mjs';

/** What a scenario with messages shows of each arm. */
const COLUMNS = [
  { head: (unit) => `${unit}s/s`, of: (run) => run.messagesPerSecond, show: short },
  { head: () => 'MB/s', of: (run) => run.megabytesPerSecond, show: short },
  { head: (unit) => `server CPU µs/${unit}`, of: (run) => run.serverCpuMicrosPerMessage, show: short },
  { head: () => 'p50 µs', of: (run) => run.latencyMicros?.p50, show: short },
  { head: () => 'p99 µs', of: (run) => run.latencyMicros?.p99, show: short },
  { head: () => 'p99.9 µs', of: (run) => run.latencyMicros?.p999, show: short },
  { head: () => 'RSS MiB', of: (run) => run.serverMemory?.rssKib / 1024, show: short },
  { head: () => 'server CPU', of: (run) => run.serverCpuShare, show: percent },
  { head: () => 'load CPU', of: (run) => run.loadCpuShare, show: percent },
  { head: () => 'other CPU', of: (run) => run.othersCpuShare, show: percent },
];

/** What is compared, of a scenario with messages. */
const METRICS = {
  throughput: (run) => run.messagesPerSecond,
  CPU: (run) => run.serverCpuMicrosPerMessage,
  p50: (run) => run.latencyMicros?.p50,
  p99: (run) => run.latencyMicros?.p99,
};

/** Which arms are divided by which. The last is the noise: both are the same thing. */
const PAIRS = [
  ['ours', 'core'],
  ['ours', 'base'],
  ['ours', 'native-floor'],
  ['ours', 'tokio-uring'],
  ['ours', 'bun'],
  ['ours', 'bun-socket'],
  ['ours', 'core-callbacks'],
  ['ours', 'core-sync'],
  ['ours', 'core-streams'],
  ['ours-streams', 'core-streams'],
  ['ours', 'fio'],
  ['ours-batch', 'core'],
  ['ours-batch', 'bun'],
  ['ours-batch', 'bun-socket'],
  ['ours-gso', 'core'],
  ['ours-batch', 'fio'],
  ['ours-batch', 'native-floor'],
  ['transport', 'core'],
  ['transport', 'ours'],
  ['transport', 'native-floor'],
  ['transport', 'bun'],
  ['transport', 'bun-socket'],
  ['native-splice', 'core'],
  ['ours-busy-poll', 'core'],
  ['transport-busy-poll', 'core'],
  ['core-again', 'core'],
];

const runsOf = (measured, arm) => measured.runs.filter((run) => run.arm === arm);

/** Rows of one case: an arm that takes part each, medians over the rounds. */
function rows(measured, columns, arms) {
  const takesPart = ({ name }) => [...measured.runs, ...measured.failures].some((run) => run.arm === name);
  return arms.filter(takesPart).map(({ name }) => {
    const runs = runsOf(measured, name);
    return [name, ...columns.map(({ of, show }) => show(median(runs.map(of))))];
  });
}

/** The ratios of one case that its arms allow: `[{ over, under, metric, median, least, greatest }]`. */
export function ratios(measured, scenario) {
  return PAIRS.flatMap(([over, under]) =>
    Object.entries(scenario.metrics ?? METRICS).flatMap(([metric, of]) => {
      const value = ratio(runsOf(measured, over), runsOf(measured, under), of);
      return value === undefined ? [] : [{ over, under, metric, ...value }];
    }),
  );
}

/** What was measured of one case: headings, and a row an arm. */
export function numbers(measured, { columns = COLUMNS, unit }, arms) {
  return [headings(columns, unit), rows(measured, columns, arms)];
}

/** Whether a ratio is no further from 1 than core is from itself; false where that was not measured. */
export function isNoise(found, { metric, median: middle }) {
  const noise = pick(found, 'core-again', 'core', metric);
  return noise !== undefined && Math.abs(middle - 1) <= Math.max(1 - noise.least, noise.greatest - 1);
}

const headings = (columns, unit) => ['arm', ...columns.map(({ head }) => head(unit))];

/** One case for the terminal. */
export function caseTable(measured, scenario, arms) {
  const columns = scenario.columns ?? COLUMNS;
  const table = new Table({ head: headings(columns, scenario.unit), style: { head: [], border: [] }, colAligns: ['left'] });
  table.options.colAligns = ['left', ...columns.map(() => 'right')];
  table.push(...rows(measured, columns, arms));
  const found = ratios(measured, scenario);
  if (found.length === 0) return table.toString();
  const metrics = Object.keys(scenario.metrics ?? METRICS);
  const beside = new Table({
    head: ['ratio', ...metrics],
    style: { head: [], border: [] },
    colAligns: ['left', ...metrics.map(() => 'right')],
  });
  for (const [over, under] of pairsOf(found)) {
    beside.push([
      `${over} ÷ ${under}`,
      ...metrics.map((metric) => withSpread(pick(found, over, under, metric), places(scenario, metric))),
    ]);
  }
  return `${table}\n${beside}`;
}

const pick = (found, over, under, metric) =>
  found.find((one) => one.over === over && one.under === under && one.metric === metric);

/** The pairs that have a ratio, in their order. */
const pairsOf = (found) => PAIRS.filter(([over, under]) => found.some((one) => one.over === over && one.under === under));

/** Digits behind the point that ratios of a metric are shown with. */
const places = (scenario, metric) => scenario.places?.[metric] ?? 2;

const withSpread = (one, count) =>
  one === undefined ? '–' : `${digits(one.median, count)} (${digits(one.least, count)}–${digits(one.greatest, count)})`;

const line = (cells) => `| ${cells.join(' | ')} |\n`;
const rule = (cells) => line(cells.map((_, index) => (index === 0 ? '---' : '--:')));

/** The whole result as Markdown. */
export function markdown(result, scenarios) {
  const { machine, options } = result;
  let text = '# Benchmark\n\n';
  text += `${machine.date.slice(0, 10)}, revision ${machine.revision?.slice(0, 10) ?? 'unknown'}${machine.changed ? ' with changes' : ''}, `;
  text += `Node ${machine.node}, Linux ${machine.kernel}, ${machine.cpus} CPUs (${machine.cpu}), ${machine.memoryGib} GiB. `;
  text += `${machine.placement[0].toUpperCase()}${machine.placement.slice(1)}. `;
  text += `Medians of ${options.rounds} interleaved rounds of ${options.seconds} s.\n\n`;
  for (const { name, about } of result.arms) text += `- **${name}**: ${about}\n`;
  for (const { name, reason } of result.skipped) text += `- ${name} was not measured: ${reason}\n`;
  const disturbed = disturbance(result);
  if (disturbed !== undefined) text += `\n${disturbed}\n`;
  const reached = verdicts(result, scenarios);
  if (reached.length > 0) text += `\n## Figures to reach\n\n${reached.map((verdict) => `- ${verdict}\n`).join('')}`;
  for (const { name, title, cases, unit } of result.scenarios) {
    const scenario = { unit, ...scenarios?.find((one) => one.name === name) };
    text += `\n## ${title}\n\n${ratioTable(cases, scenario).trimEnd()}\n`;
    const columns = scenario.columns ?? COLUMNS;
    for (const measured of cases) {
      const head = headings(columns, unit);
      text += `\n### ${measured.name}\n\n${line(head)}${rule(head)}`;
      for (const row of rows(measured, columns, result.arms)) text += line(row);
      for (const { arm, round, message } of measured.failures) text += `\nFailed: ${arm}, round ${round + 1}: ${message}\n`;
    }
  }
  return text;
}

/** One line a case: the median of each ratio of the pairs that matter most. */
function ratioTable(cases, scenario) {
  const found = cases.map((measured) => ratios(measured, scenario));
  const pairs = pairsOf(found.flat());
  const metrics = Object.keys(scenario.metrics ?? METRICS);
  if (pairs.length === 0) return '';
  let text = '';
  for (const [over, under] of pairs) {
    const head = [`${over} ÷ ${under}`, ...metrics];
    text += line(head) + rule(head);
    cases.forEach(({ name }, index) => {
      text += line([
        name,
        ...metrics.map((metric) => digits(pick(found[index], over, under, metric)?.median, places(scenario, metric))),
      ]);
    });
    text += '\n';
  }
  return text;
}

/** One sentence a figure that is to be reached, where this run measured it. */
export function verdicts(result, scenarios) {
  return result.scenarios.flatMap(({ name, title, unit, cases }) => {
    const scenario = { unit, ...scenarios?.find((one) => one.name === name) };
    return cases.flatMap((measured) =>
      (scenario.reach?.(measured) ?? []).flatMap(({ metric, over, under, atMost, atLeast }) => {
        // Figures are differences and the like, of which no ratios are made.
        const of = { ...(scenario.metrics ?? METRICS), ...scenario.figures }[metric];
        const runs = runsOf(measured, over);
        const found = under === undefined ? spread(runs, of) : ratio(runs, runsOf(measured, under), of);
        if (found === undefined) return [];
        const count = places(scenario, metric);
        const missedBy = Math.max(found.median - (atMost ?? Infinity), (atLeast ?? -Infinity) - found.median);
        const wanted = atMost === undefined ? `at least ${digits(atLeast, count)}` : `at most ${digits(atMost, count)}`;
        const noise = ratio(runsOf(measured, 'core-again'), runsOf(measured, 'core'), of);
        const isNoise = noise !== undefined && missedBy <= Math.max(1 - noise.least, noise.greatest - 1);
        const missed = isNoise
          ? `NOT reached, by less than core differs from itself, ${withSpread(noise, count)}`
          : 'NOT reached';
        const verdict = missedBy <= 0 ? 'reached' : missed;
        return [
          `${title}, ${measured.name}: ${metric} ${[over, under ?? []].flat().join(' ÷ ')} ${withSpread(found, count)}, ${wanted}: ${verdict}`,
        ];
      }),
    );
  });
}

/** A warning where other processes were busy while it was measured; `undefined` where the machine was ours. */
export function disturbance(result) {
  const shares = result.scenarios.flatMap(({ cases }) => cases.flatMap(({ runs }) => runs.map((run) => run.othersCpuShare)));
  const known = shares.filter((share) => Number.isFinite(share));
  const disturbed = known.filter((share) => share > 0.1);
  if (disturbed.length === 0) return undefined;
  return `Disturbed: during ${disturbed.length} of ${known.length} measurements other processes took more than a tenth of a CPU.`;
}
