/**
 * The doctor's findings for a person.
 */
import { styleText } from 'node:util';
import type { BenchResult } from './bench.ts';
import type { Report, Setting } from './report.ts';

/** Writes text in a style, or as it is. */
type Paint = (style: 'bold' | 'dim' | 'red' | 'green' | 'yellow', text: string) => string;

/** A cell of a table: what it says, and what that looks like. */
type Cell = string | readonly [text: string, style: Parameters<Paint>[0]];

/** The report as lines of text. */
export function render(report: Report, colors: boolean): string {
  const paint: Paint = colors ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
  return [verdict(report, paint), ...sections(report, paint)].join('\n\n') + '\n';
}

function verdict({ usable, backend, reason, message, errno }: Report, paint: Paint): string {
  const codes = [reason, errno].filter((code) => code !== null).join(', ');
  if (!usable)
    return `${paint('red', '✘ io_uring is not usable here:')} ${message} [${codes}]\n  The modules run on Node's own instead.`;
  if (backend === 'core') return `${paint('yellow', '! io_uring is usable here, and not used:')} ${message}`;
  return paint('green', '✔ io_uring is usable here');
}

function* sections(report: Report, paint: Paint): Generator<string> {
  const { host, features, settings, limits, sysctls, hints, bench } = report;
  const section = (title: string, body: string): string => `${paint('bold', title)}\n${body}`;
  const facts = Object.entries({
    'iouring-transport': report.package,
    Node: `${report.node}, ${host.platform} ${host.arch}`,
    kernel: host.kernel,
    container: host.container,
    seccomp: host.seccomp,
    'user namespace': host.userNamespace === true ? 'yes' : null,
    ...report.environment,
  }).filter(([, value]) => value !== null) as Array<[string, string]>;
  yield section('Here', table(facts, paint));

  if (hints.length > 0) {
    const texts = hints.map(({ text, commands }) =>
      [`  ${text}`, ...commands.map((one) => paint('dim', `    ${one}`))].join('\n'),
    );
    yield section('What can be done', texts.join('\n'));
  }
  if (report.usable) {
    const rows = features.map(({ name, since, present, purpose }): Cell[] => [
      present ? ['✔', 'green'] : ['-', 'dim'],
      name,
      [`Linux ${since}`, 'dim'],
      [purpose, 'dim'],
    ]);
    yield section('Features of the kernel', table(rows, paint));
  }
  if (settings !== null) {
    const rows = Object.entries(settings).map(([name, value]): Cell[] => [name, JSON.stringify(value)]);
    yield section('Ring of a thread (configure() changes it)', table(rows, paint));
  }
  if (limits.length > 0) yield section('Limits (none is required)', settingTable(limits, paint));
  if (sysctls.length > 0) yield section('Settings of the host (none is required)', settingTable(sysctls, paint));
  if (bench !== null) yield section(`Benchmark: ${bench.scenario}`, benchTable(bench, paint));
}

function settingTable(settings: readonly Setting[], paint: Paint): string {
  const head: Cell[] = ['', ...['setting', 'here', 'recommended', 'what for'].map((text): Cell => [text, 'dim'])];
  const rows = settings.map(({ name, value, hard, recommended, sufficient, purpose }): Cell[] => {
    const mark: Cell = sufficient === null ? ['?', 'dim'] : sufficient ? ['✔', 'green'] : ['!', 'yellow'];
    const here = hard === undefined || hard === value ? (value ?? 'not to be seen') : `${value} (hard: ${hard})`;
    return [mark, name, here, recommended, [purpose, 'dim']];
  });
  const commands = settings.filter(({ sufficient }) => sufficient === false).map(({ command }) => paint('dim', `    ${command}`));
  return [table([head, ...rows], paint), ...(commands.length > 0 ? ['  To set what is marked with !:', ...commands] : [])].join(
    '\n',
  );
}

function benchTable({ core, uring, throughputRatio, cpuRatio }: BenchResult, paint: Paint): string {
  const row = (name: string, of: (one: BenchResult['core']) => number, ratio: number, digits: number): Cell[] => {
    const figure = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: digits });
    return [name, figure(of(core)), figure(of(uring)), `${ratio.toFixed(2)} ×`];
  };
  return table(
    [
      ['', 'core', 'io_uring', ''],
      row('messages a second', (one) => one.messagesPerSecond, throughputRatio, 0),
      row('CPU µs a message', (one) => one.cpuMicroseconds, cpuRatio, 1),
    ],
    paint,
  );
}

/** Columns as wide as what is in them. */
function table(rows: readonly (readonly Cell[])[], paint: Paint): string {
  const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell[0]);
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, textOf(cell).length);
  const draw = (cell: Cell, column: number, { length }: readonly Cell[]): string => {
    const text = textOf(cell).padEnd(column === length - 1 ? 0 : widths[column]);
    return typeof cell === 'string' ? text : paint(cell[1], text);
  };
  return rows.map((row) => `  ${row.map((cell, column) => draw(cell, column, row)).join('  ')}`.trimEnd()).join('\n');
}
