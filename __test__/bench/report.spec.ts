// What the benchmark says of the figures that are to be reached.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';

const library = (name: string): Promise<unknown> => import(`../../bench/lib/${name}.mjs`);
const { verdicts } = (await library('report')) as { verdicts(result: object, scenarios: readonly object[]): string[] };

const run = (arm: string, round: number, gain: number) => ({ arm, round, gain });
const result = {
  scenarios: [
    {
      name: 'a',
      title: 'A',
      unit: 'message',
      cases: [{ name: 'one', failures: [], runs: [run('core', 0, 2), run('core', 1, 2), run('ours', 0, 3), run('ours', 1, 4)] }],
    },
  ],
};
const scenario = (reach: object) => [
  { name: 'a', metrics: { gain: ({ gain }: { gain: number }) => gain }, reach: () => [{ metric: 'gain', ...reach }] },
];

test('a figure is a ratio within each round', (t) => {
  const [verdict] = verdicts(result, scenario({ over: 'ours', under: 'core', atLeast: 1.7 }));
  t.is(verdict, 'A, one: gain ours ÷ core 1.75 (1.50–2.00), at least 1.70: reached');
});

test('a figure with one arm is its own', (t) => {
  t.deepEqual(verdicts(result, scenario({ over: 'ours', atMost: 3 })), [
    'A, one: gain ours 3.50 (3.00–4.00), at most 3.00: NOT reached',
  ]);
  const [negative] = verdicts(result, [{ ...scenario({ over: 'ours', atMost: -3 })[0], figures: { gain: () => -4 } }]);
  t.is(negative, 'A, one: gain ours -4.00 (-4.00–-4.00), at most -3.00: reached', 'one of which no ratio is made');
  t.deepEqual(verdicts(result, scenario({ over: 'transport', atMost: 3 })), [], 'an arm that was not measured');
});

// In a process of its own, whose priority the benchmark raises.
test('the first echo after a pause is timed, and core’s after the same one', (t) => {
  const program = `
    const { default: scenario } = await import('./bench/scenarios/idle-minute.mjs');
    const { default: core } = await import('./bench/arms/core.mjs');
    const [one] = scenario.cases({ idle: [0.1] });
    console.log(JSON.stringify(await scenario.measure(one, core)));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const { first, second } = JSON.parse(stdout || stderr) as Record<'first' | 'second', { arm: number; core: number }>;
  for (const milliseconds of [first.arm, first.core, second.arm, second.core]) t.true(milliseconds > 0);
});
