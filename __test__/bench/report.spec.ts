// What the benchmark says of the figures that are to be reached.
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
  t.deepEqual(verdicts(result, scenario({ over: 'transport', atMost: 3 })), [], 'an arm that was not measured');
});
