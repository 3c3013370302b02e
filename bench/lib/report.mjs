/** Tables of what was measured. */
import Table from 'cli-table3';
import { median, ratio } from './statistics.mjs';

const digits = (value, count) => (value === undefined ? '–' : value.toFixed(count));
/** Three significant digits, without an exponent. */
const short = (value) => {
  if (value === undefined) return '–';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
};
const percent = (value) => (value === undefined ? '–' : `${Math.round(value * 100)} %`);

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
];

/** What is divided by what. */
const RATIOS = [
  { head: 'throughput', of: (run) => run.messagesPerSecond, over: 'ours', under: 'core' },
  { head: 'CPU', of: (run) => run.serverCpuMicrosPerMessage, over: 'ours', under: 'core' },
  { head: 'CPU', of: (run) => run.serverCpuMicrosPerMessage, over: 'ours', under: 'native-floor' },
  { head: 'p50', of: (run) => run.latencyMicros?.p50, over: 'ours', under: 'core' },
  { head: 'p99', of: (run) => run.latencyMicros?.p99, over: 'ours', under: 'core' },
  { head: 'throughput', of: (run) => run.messagesPerSecond, over: 'core-again', under: 'core' },
  { head: 'CPU', of: (run) => run.serverCpuMicrosPerMessage, over: 'core-again', under: 'core' },
];

const runsOf = (measured, arm) => measured.runs.filter((run) => run.arm === arm);

/** Rows of one case: an arm each, medians over the rounds. */
function rows(measured, columns, arms) {
  return arms.map(({ name }) => {
    const runs = runsOf(measured, name);
    return [name, ...columns.map(({ of, show }) => show(median(runs.map(of))))];
  });
}

/** The ratios of one case that its arms allow, each with its spread over the rounds. */
export function ratios(measured, scenario) {
  return (scenario.ratios ?? RATIOS).flatMap(({ head, of, over, under }) => {
    const value = ratio(runsOf(measured, over), runsOf(measured, under), of);
    return value === undefined ? [] : [{ name: `${head} ${over} ÷ ${under}`, ...value }];
  });
}

const headings = (columns, unit) => ['arm', ...columns.map(({ head }) => head(unit))];

/** One case for the terminal. */
export function caseTable(measured, scenario, arms) {
  const columns = scenario.columns ?? COLUMNS;
  const table = new Table({ head: headings(columns, scenario.unit), style: { head: [], border: [] }, colAligns: ['left'] });
  table.options.colAligns = ['left', ...columns.map(() => 'right')];
  table.push(...rows(measured, columns, arms));
  const lines = ratios(measured, scenario).map(
    ({ name, median: middle, least, greatest }) => `  ${name}: ${digits(middle, 2)} (${digits(least, 2)}–${digits(greatest, 2)})`,
  );
  return [table.toString(), ...lines].join('\n');
}

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
  for (const { name, title, cases, unit } of result.scenarios) {
    const scenario = { unit, ...scenarios?.find((one) => one.name === name) };
    text += `\n## ${title}\n\n`;
    text += ratioTable(cases, scenario);
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

/** One line a case: the median of each ratio. */
function ratioTable(cases, scenario) {
  const names = [...new Set(cases.flatMap((measured) => ratios(measured, scenario).map(({ name }) => name)))];
  if (names.length === 0) return '';
  const head = ['case', ...names];
  let text = line(head) + rule(head);
  for (const measured of cases) {
    const found = ratios(measured, scenario);
    text += line([measured.name, ...names.map((name) => digits(found.find((one) => one.name === name)?.median, 2))]);
  }
  return text;
}
