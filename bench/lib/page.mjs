/** One HTML file of what was measured: everything in it, nothing fetched, and readable on a phone. Without scripts it shows the first metric of each scenario. */
import { digits, short } from './format.mjs';
import { disturbance, isNoise, numbers, ratios, verdicts } from './report.mjs';
import { median } from './statistics.mjs';
import { PLOTTED } from './plot.mjs';

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replaceAll(/[&<>"]/g, (character) => ENTITIES[character]);

/** JSON that cannot end the element that it stands in. */
const embedded = (value) => JSON.stringify(value).replaceAll('<', '\\u003c');

const STYLE = `
:root { color-scheme: light dark; --ink: #1f2933; --calm: #8f9aa8; --ours: #0b7a75; --line: #d5dae0; --ground: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --calm: #7b8794; --ours: #2bb3ac; --line: #3e4c59; --ground: #14181d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
h2 { margin: 2.5rem 0 0.5rem; } h3 { margin: 1.25rem 0 0.25rem; font-size: 1rem; }
h4 { margin: 1rem 0 0.25rem; font-size: 0.9rem; font-weight: normal; } ul { padding-left: 1.25rem; } summary { padding: 0.35rem 0; cursor: pointer; }
.choice { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.5rem 0; } label { white-space: nowrap; padding: 0.25rem 0; }
.bar { display: grid; grid-template-columns: minmax(6.5rem, 20%) 1fr 4.5rem; align-items: center; gap: 0.5rem; font-size: 0.85rem; }
.bar b { font-weight: normal; line-height: 1.1; overflow-wrap: anywhere; } .bar span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.track { position: relative; height: 1.1rem; } .fill { height: 100%; background: var(--calm); border-radius: 0 3px 3px 0; } .ours .fill { background: var(--ours); }
.track i { position: absolute; top: 25%; width: 2px; height: 50%; background: var(--ink); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
td, th { padding: 0.2rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; } td:first-child, th:first-child { text-align: left; }
.summary { margin-bottom: 1rem; } .summary table { width: 100%; max-width: 36rem; } .summary :is(td, th):first-child { white-space: normal; width: 50%; } .noise { opacity: 0.55; font-style: italic; }
.no-arm { display: none; }
@media (max-width: 30rem) { td, th { padding: 0.2rem 0.35rem; } table { font-size: 0.8rem; } }
`;

/** Shows the chosen metric and arms. Choices are remembered nowhere. */
const SCRIPT = `
for (const section of document.querySelectorAll('section')) {
  const show = () => {
    const metric = section.querySelector('input[type=radio]:checked').value;
    const arms = new Set([...section.querySelectorAll('input[type=checkbox]:checked')].map((box) => box.value));
    for (const chart of section.querySelectorAll('[data-metric]')) chart.hidden = chart.dataset.metric !== metric;
    for (const bar of section.querySelectorAll('[data-arm]')) bar.classList.toggle('no-arm', !arms.has(bar.dataset.arm));
  };
  section.addEventListener('change', show);
}
document.querySelector('#save').addEventListener('click', () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([document.querySelector('#results').textContent], { type: 'application/json' }));
  link.download = 'results.json';
  link.click();
});
`;

/** The page. @returns {string} */
export function page(result, scenarios) {
  const { machine, options, skipped } = result;
  const disturbed = disturbance(result);
  const reached = verdicts(result, scenarios);
  const list = (lines) => (lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${line}</li>`).join('')}</ul>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>iouring-transport: benchmark</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Benchmark</h1>
<p>${escape(machine.date.slice(0, 10))}, revision ${escape(machine.revision?.slice(0, 10) ?? 'unknown')}${machine.changed ? ' with changes' : ''},
Node ${escape(machine.node)}, Linux ${escape(machine.kernel)}, ${machine.cpus} CPUs (${escape(machine.cpu)}), ${machine.memoryGib} GiB;
${escape(machine.placement)}.</p>
<p>Medians of ${options.rounds} rounds of ${options.seconds} s; the arms were measured in turns.</p>
${disturbed === undefined ? '' : `<p><strong>${escape(disturbed)}</strong></p>`}
${comparison(result, scenarios)}
<h2>What was compared</h2>
${list(measuredArms(result).map(({ name, about }) => `<b>${escape(name)}</b>: ${escape(about)}`))}
${skipped.length === 0 ? '' : details('Not measured', list(skipped.map(({ name, reason }) => `${escape(name)} was not measured: ${escape(reason)}`)))}
${reached.length === 0 ? '' : details('Figures to reach', list(reached.map(escape)))}
<h2>Noise</h2>
${noise(result, scenarios)}
${result.scenarios.map((one, index) => section(one, index, result, scenarios)).join('\n')}
<h2>Raw numbers</h2>
<p><button id="save">results.json</button> has every single measurement; it is in this file.</p>
<script type="application/json" id="results">${embedded(result)}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

const definitionOf = ({ name, unit }, scenarios) => ({ unit, ...scenarios.find((one) => one.name === name) });

const details = (summary, content) => `<details><summary>${escape(summary)}</summary>${content}</details>`;

/** The arms that this run has a measurement of. */
function measuredArms({ arms, scenarios }) {
  const runs = scenarios.flatMap(({ cases }) => cases.flatMap((measured) => measured.runs));
  return arms.filter(({ name }) => runs.some(({ arm }) => arm === name));
}

/** What is divided by core at the head of the page. */
const COMPARED = ['ours', 'transport'];

/** The answer in short: how ours compares with core, case by case, and which of it may be chance. */
function comparison(result, scenarios) {
  const parts = result.scenarios.flatMap((scenario) => {
    const found = scenario.cases.map((measured) => ratios(measured, definitionOf(scenario, scenarios)));
    return COMPARED.map((arm) => comparisonOf(arm, scenario, found)).filter((part) => part !== '');
  });
  if (parts.length === 0) return '';
  return `<h2>Against core</h2>
<p>Core is 1: of throughput more is better, of everything else less. <span class="noise">Pale</span>: no further from 1 than core is from itself in this run.</p>
${parts.join('\n')}`;
}

function comparisonOf(arm, { title, cases }, found) {
  const isMeant = ({ over, under }) => over === arm && under === 'core';
  const metrics = [
    ...new Set(
      found
        .flat()
        .filter(isMeant)
        .map(({ metric }) => metric),
    ),
  ];
  if (metrics.length === 0) return '';
  const rows = cases.map(({ name }, index) => {
    const cells = metrics.map((metric) => {
      const one = found[index].find((ratio) => isMeant(ratio) && ratio.metric === metric);
      if (one === undefined) return '<td>–</td>';
      return `<td${isNoise(found[index], one) ? ' class="noise"' : ''}>${escape(digits(one.median, 2))}</td>`;
    });
    return `<tr><td>${escape(name)}</td>${cells.join('')}</tr>`;
  });
  const head = [`${title}: ${arm} ÷ core`, ...metrics].map((cell) => `<th>${escape(cell)}</th>`).join('');
  return `<div class="wide summary"><table><tr>${head}</tr>${rows.join('')}</table></div>`;
}

/** How far the same thing differs from itself: smaller differences between others say nothing. */
function noise(result, scenarios) {
  const found = result.scenarios.flatMap((scenario) =>
    scenario.cases.flatMap((measured) =>
      ratios(measured, definitionOf(scenario, scenarios))
        .filter(({ over, under }) => over === 'core-again' && under === 'core')
        .map(({ metric, median: middle, least, greatest }) => [scenario.title, measured.name, metric, middle, least, greatest]),
    ),
  );
  if (found.length === 0) return '<p>Not measured: it takes the arms core and core-again.</p>';
  const rows = found.map(([title, name, metric, ...figures]) => [
    `${title}, ${name}`,
    metric,
    ...figures.map((one) => digits(one, 2)),
  ]);
  return `<p>core-again ÷ core, which are the same thing. Smaller differences between others mean nothing.</p>
${details('In figures', tableOf(['', 'metric', 'median', 'least', 'greatest'], rows))}`;
}

function tableOf(head, rows) {
  const cells = (row, tag) => `<tr>${row.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table>${cells(head, 'th')}${rows.map((row) => cells(row, 'td')).join('')}</table></div>`;
}

function section(scenario, index, result, scenarios) {
  const definition = definitionOf(scenario, scenarios);
  const { plotted = PLOTTED } = definition;
  const arms = result.arms
    .map(({ name }) => name)
    .filter((arm) => scenario.cases.some(({ runs }) => runs.some((run) => run.arm === arm)));
  const metrics = plotted.map(([metric], at) => {
    const input = `<input type="radio" name="metric-${index}" value="${escape(metric)}"${at === 0 ? ' checked' : ''}>`;
    return `<label>${input} ${escape(metric)}</label>`;
  });
  const boxes = arms.map((arm) => `<label><input type="checkbox" value="${escape(arm)}" checked> ${escape(arm)}</label>`);
  const charts = scenario.cases.map(
    (measured) => `<h3>${escape(measured.name)}</h3>
${plotted.map(([metric, of], at) => chart(measured, metric, of, arms, at > 0)).join('\n')}`,
  );
  return `<section>
<h2>${escape(scenario.title)}</h2>
<div class="choice">${metrics.join('')}</div>
<div class="choice">${boxes.join('')}</div>
<p>A mark on a bar is one round.</p>
${charts.join('\n')}
${ratioRows(scenario, definition)}
${details('Medians', scenario.cases.map((measured) => `<h4>${escape(measured.name)}</h4>${tableOf(...numbers(measured, definition, result.arms))}`).join(''))}
</section>`;
}

/** A bar an arm, with a mark for each round. */
function chart(measured, metric, of, arms, isHidden) {
  const values = arms.map((arm) =>
    measured.runs
      .filter((run) => run.arm === arm)
      .map(of)
      .filter(Number.isFinite),
  );
  const greatest = Math.max(...values.flat());
  const percent = (value) => `${((value / greatest) * 100).toFixed(2)}%`;
  const bars = arms.map((arm, index) => {
    const middle = median(values[index]);
    if (middle === undefined) return '';
    const marks = values[index]
      .map((value) => `<i style="left: ${percent(value)}" title="${escape(short(value))}"></i>`)
      .join('');
    const track = `<span class="track"><span class="fill" style="display: block; width: ${percent(middle)}"></span>${marks}</span>`;
    return `<div class="bar${/^(?:ours|transport)/.test(arm) ? ' ours' : ''}" data-arm="${escape(arm)}"><b>${escape(arm)}</b>${track}<span>${escape(short(middle))}</span></div>`;
  });
  return `<div data-metric="${escape(metric)}"${isHidden ? ' hidden' : ''}>${bars.join('')}</div>`;
}

function ratioRows({ cases }, definition) {
  const rows = cases.flatMap((measured) =>
    ratios(measured, definition)
      .filter(({ over }) => over !== 'core-again')
      .map(({ over, under, metric, median: middle, least, greatest }) => [
        measured.name,
        `${over} ÷ ${under}`,
        metric,
        ...[middle, least, greatest].map((one) => digits(one, 2)),
      ]),
  );
  if (rows.length === 0) return '';
  return details('Ratios', tableOf(['', 'ratio', 'metric', 'median', 'least', 'greatest'], rows));
}
