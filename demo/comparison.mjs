/** The closing table. */
import Table from 'cli-table3';

const whole = (value) => Math.round(value).toLocaleString('en-US');
const fine = (value) => value.toFixed(2);

const ROWS = [
  ['messages/s', ({ messages, seconds }) => messages / seconds, whole],
  ['server CPU µs/message', ({ serverCpu }) => serverCpu, fine],
  ['client CPU µs/message', ({ clientCpu }) => clientCpu, fine],
  ['latency p50, µs', ({ p50 }) => p50, whole],
  ['latency p99, µs', ({ p99 }) => p99, whole],
];

/** Puts two runs beside each other, with the ratio of the first to the second. */
export function comparison([one, other]) {
  const table = new Table({
    head: ['', one.name, other.name, `${one.name} ÷ ${other.name}`],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const [title, of, show] of ROWS) table.push([title, show(of(one)), show(of(other)), fine(of(one) / of(other))]);
  return table.toString();
}
