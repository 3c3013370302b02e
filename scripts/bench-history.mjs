/**
 * What is kept of a run of the benchmark for comparison with later ones: ratios, since figures of different machines mean nothing beside each other.
 *
 *     node scripts/bench-history.mjs bench/results/results.json > ratios.json
 */
import { readFileSync, readdirSync } from 'node:fs';
import process from 'node:process';
import { ratios } from '../bench/lib/report.mjs';
import { fail, inRoot } from './lib.mjs';

const [file] = process.argv.slice(2);
if (file === undefined) fail('Of which results?');
const { machine, scenarios } = JSON.parse(readFileSync(file, 'utf8'));
const files = readdirSync(inRoot('bench', 'scenarios')).filter((name) => name.endsWith('.mjs'));
const definitions = await Promise.all(files.map(async (name) => (await import(`../bench/scenarios/${name}`)).default));

const kept = scenarios.flatMap(({ name, cases }) => {
  const definition = definitions.find((one) => one.name === name);
  return cases.flatMap((measured) =>
    ratios(measured, definition ?? {}).map((ratio) => ({ scenario: name, case: measured.name, ...ratio })),
  );
});
const { date, revision, node, kernel, cpu } = machine;
process.stdout.write(`${JSON.stringify({ date, revision, node, kernel, cpu, ratios: kept }, null, 1)}\n`);
