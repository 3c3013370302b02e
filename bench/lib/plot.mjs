/** Plots of what was measured, as SVG. */
import * as vega from 'vega';
import { compile } from 'vega-lite';
import { median } from './statistics.mjs';

/** Colours by arm: ours stands out, the others are calm. */
const COLOURS = {
  core: '#8f9aa8',
  'core-again': '#c3cad3',
  ours: '#0b7a75',
  'native-floor': '#3b4754',
  'tokio-uring': '#b5651d',
  bun: '#d8b45a',
  'bun-socket': '#e4cf98',
};

/** What is drawn of a scenario with messages. */
export const PLOTTED = [
  ['CPU µs/message', (run) => run.serverCpuMicrosPerMessage],
  ['messages/s', (run) => run.messagesPerSecond],
  ['p99 µs', (run) => run.latencyMicros?.p99],
];

/** Cases drawn beside each other. */
const CASES_A_ROW = 6;

/** A plot for each scenario: `[[name, svg]]`. */
export async function plots(result, scenarios) {
  const drawn = [];
  for (const { name, title, cases } of result.scenarios) {
    const { plotted = PLOTTED } = scenarios.find((scenario) => scenario.name === name);
    const arms = result.arms.map((arm) => arm.name);
    const values = plotted.flatMap(([metric, of]) =>
      cases.flatMap((measured) =>
        arms.flatMap((arm) => {
          const value = median(measured.runs.filter((run) => run.arm === arm).map(of));
          return value === undefined ? [] : [{ case: measured.name, arm, metric, value }];
        }),
      ),
    );
    if (values.length > 0) drawn.push([name, await draw(title, values, arms, plotted, cases)]);
  }
  return drawn;
}

/** One row of grouped bars a metric, one group a case, every case with a scale of its own. */
async function draw(title, values, arms, plotted, cases) {
  const panel = ([metric], { name }, isFirst, isTop) => {
    const shown = values.filter((value) => value.metric === metric && value.case === name);
    const greatest = Math.max(...shown.map(({ value }) => value));
    return {
      width: Math.max(120, arms.length * 22),
      height: 140,
      title: isTop ? { text: name, fontSize: 11, anchor: 'middle' } : undefined,
      data: { values: shown },
      mark: { type: 'bar', cornerRadiusEnd: 2 },
      encoding: {
        x: { field: 'arm', type: 'nominal', sort: arms, axis: { title: null, labels: false, ticks: false } },
        y: {
          field: 'value',
          type: 'quantitative',
          axis: { title: isFirst ? metric : null, grid: true, tickCount: 4, format: greatest >= 1000 ? '~s' : '~r' },
        },
        color: {
          field: 'arm',
          type: 'nominal',
          sort: arms,
          scale: { domain: arms, range: arms.map((arm) => COLOURS[arm] ?? '#999999') },
          legend: { title: null, orient: 'bottom', direction: 'horizontal', columns: 0 },
        },
      },
    };
  };
  const blocks = Array.from({ length: Math.ceil(cases.length / CASES_A_ROW) }, (_, block) =>
    cases.slice(block * CASES_A_ROW, (block + 1) * CASES_A_ROW),
  );
  const specification = {
    title: { text: title, anchor: 'start', fontSize: 16, offset: 12 },
    background: 'white',
    padding: 16,
    config: { font: 'system-ui, sans-serif', view: { stroke: null }, axis: { labelFontSize: 10, titleFontWeight: 'normal' } },
    spacing: 30,
    vconcat: blocks.flatMap((block) =>
      plotted.map((metric, row) => ({
        spacing: 50,
        bounds: 'flush',
        hconcat: block.map((one, column) => panel(metric, one, column === 0, row === 0)),
      })),
    ),
  };
  const view = new vega.View(vega.parse(compile(specification).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}
