// The benchmark's page: one file, with everything in it; and what a browser makes of it, where there is one.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { needs } from '../_needs.ts';

/** The benchmark is JavaScript. */
const library = (name: string): Promise<unknown> => import(`../../bench/lib/${name}.mjs`);
const { page } = (await library('page')) as { page(result: object, scenarios: readonly object[]): string };

const run = (arm: string, round: number, cpu: number) => ({
  ...{ arm, round, messagesPerSecond: 1e6 / cpu, serverCpuMicrosPerMessage: cpu, latencyMicros: { p50: 50, p99: 90 } },
});
const result = {
  machine: {
    ...{ date: '2026-11-27T10:00:00Z', revision: '0123456789abcdef', node: '24.0.0', kernel: '6.18.0', cpu: 'a <processor>' },
    ...{ cpus: 2, memoryGib: 8, placement: 'server on CPU 0' },
  },
  options: { rounds: 2, seconds: 1 },
  arms: ['core', 'ours', 'core-again'].map((name) => ({ name, about: `what ${name} is` })),
  skipped: [{ name: 'bun', reason: '</script><script>alert(1)</script>' }],
  scenarios: [
    {
      ...{ name: 'tcp-echo', title: 'TCP echo', unit: 'message' },
      cases: [
        {
          name: '50 × 64 B',
          runs: [0, 1].flatMap((round) => [run('core', round, 10), run('ours', round, 5 + round), run('core-again', round, 11)]),
          failures: [],
        },
      ],
    },
  ],
};
const html = page(result, []);

test('it fetches nothing, and has every measurement in it', (t) => {
  t.notRegex(html, /(?:src|href)=|@import|url\(|https?:/);
  const [, embedded] = /<script type="application\/json" id="results">(.*?)<\/script>/s.exec(html)!;
  t.deepEqual(JSON.parse(embedded), result);
});

test('names and reasons are text, whatever is in them', (t) => {
  t.regex(html, /a &lt;processor&gt;/);
  t.notRegex(html, /<script>alert/);
  t.is(html.match(/<script/g)!.length, 2);
});

test('it says what was compared, where, how far the same thing differs from itself, and how ours does', (t) => {
  for (const text of [
    'Node 24.0.0',
    'Linux 6.18.0',
    'what ours is',
    'bun was not measured',
    'core-again ÷ core',
    'width=device-width',
  ]) {
    t.true(html.includes(text), text);
  }
  t.regex(html, /<td>ours ÷ core<\/td><td>CPU<\/td><td>0\.55<\/td><td>0\.50<\/td><td>0\.60<\/td>/);
  t.is(html.match(/data-arm="ours"/g)!.length, 3, 'a bar for each metric');
});

test('it begins with ours against core, and says what may be chance', (t) => {
  const [head] = html.split('What was compared');
  t.regex(head, /<th>TCP echo: ours ÷ core<\/th>/);
  // core-again is 1.1 times core: 0.55 is further from 1 than that, 1 is not.
  t.regex(head, /<td>0\.55<\/td>/);
  t.regex(head, /<td class="noise">1\.00<\/td>/);
});

test('arms that took no part are not listed', (t) => {
  const other = { name: 'core-sync', about: 'which reads files' };
  t.false(
    page({ ...result, arms: [...result.arms, other] }, [])
      .replace(/<script[^]*/, '')
      .includes(other.about),
  );
});

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);
const inBrowser = needs('Chromium', browser !== undefined, test);

inBrowser(
  `a browser shows the first metric, and nothing wider than a phone${browser ? '' : ': SKIPPED, no Chromium here'}`,
  (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-page-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, 'page.html');
    // It tells by its title what it found.
    const look = `<script>
    const shown = [...document.querySelectorAll('[data-metric]')].filter((one) => !one.hidden).length;
    const second = document.querySelectorAll('input[type=radio]')[1];
    second.click();
    const after = [...document.querySelectorAll('[data-metric]')].find((one) => !one.hidden).dataset.metric;
    document.title = [shown, after === second.value, document.documentElement.scrollWidth <= innerWidth].join(' ');
  </script></body>`;
    writeFileSync(file, html.replace('</body>', look));
    const args = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      `--user-data-dir=${folder}/profile`,
      '--window-size=500,900',
      '--dump-dom',
    ];
    const { stdout, stderr } = spawnSync(browser!, [...args, `file://${file}`], { encoding: 'utf8', timeout: 50_000 });
    t.regex(stdout, /<title>1 true true<\/title>/, stderr);
  },
);
