#!/usr/bin/env node
/**
 * `npx iouring-transport doctor [--json] [--bench]`
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { URL } from 'node:url';
import { parseArgs } from 'node:util';
import { render } from './render.ts';
import { examine } from './report.ts';

const USAGE = `Usage: iouring-transport doctor [options]

Tells whether io_uring is usable here, and if not, why and what can be done; what the kernel has, and how the
host is set up beside what is recommended. The exit status is 0 where io_uring is usable, 1 where it is not,
and 2 where this could not be found out.

  --json     print the findings as JSON (docs/doctor.schema.json)
  --bench    compare core and io_uring, for ten seconds
  --help     print this text
  --version  print the package's version
`;

const UNUSABLE = 1;
const MISUSED = 2;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      bench: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'v', default: false },
    },
    allowPositionals: true,
  });
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  if (values.help) return print(USAGE);
  if (values.version) return print(`${version}\n`);
  if (positionals.length !== 1 || positionals[0] !== 'doctor') {
    process.stderr.write(USAGE);
    return MISUSED;
  }
  let report = examine(version);
  if (values.bench && report.usable) {
    const { bench } = await import('./bench.ts');
    report = { ...report, bench: await bench() };
  }
  const { stdout } = process;
  print(values.json ? `${JSON.stringify(report, null, 2)}\n` : render(report, hasColors(stdout)));
  return report.usable ? 0 : UNUSABLE;
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

/** As Node's own tools decide: `FORCE_COLOR` and `NO_COLOR` go before what the terminal can do. */
function hasColors(stream: NodeJS.WriteStream): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused } = process.env;
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return stream.isTTY && (refused === undefined || refused === '') && stream.hasColors();
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: Error) => {
    process.stderr.write(`iouring-transport: ${error.message}\n`);
    process.exitCode = MISUSED;
  },
);
