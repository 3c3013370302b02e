/** What a program pays before it does anything: processes that are started, do the least, and tell what they have used. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { digits } from '../lib/format.mjs';
import { median } from '../lib/statistics.mjs';

/** Processes of one measurement, whose median counts: each takes little longer than a clock's tick. */
const PROCESSES = 15;

const MODULES = { core: 'node:net', 'core-again': 'node:net', base: 'iouring-transport/net', ours: 'iouring-transport/net' };

/** Where a program starts, and so whose package it finds. */
const folderOf = (arm) => (arm.name === 'base' ? process.env.BENCH_BASE : inRoot('.'));
const isOurs = (arm) => arm === 'base' || arm === 'ours';

/** Told at the very end, so that threads which are still starting are counted. */
const report = `
  const { user, system } = process.cpuUsage(since);
  console.log(JSON.stringify({ milliseconds: (user + system) / 1000, kibibytes: process.resourceUsage().maxRSS }));`;

/** From the beginning of the process, whatever was loaded before. */
const whole = `const since = { user: 0, system: 0 }; process.on('exit', () => {${report}});`;

const programs = {
  register: (arm) => [...(isOurs(arm) ? ['--import', 'iouring-transport/register'] : []), '--eval', whole],
  listen: (arm) => [
    '--eval',
    `const since = process.cpuUsage(); const server = require('${MODULES[arm]}').createServer().listen(0, () => {${report} server.close(); });`,
  ],
};

const column = (head, of, places) => ({ head: () => head, of, show: (value) => digits(value, places) });
const milliseconds = (run) => run.milliseconds;
const mebibytes = (run) => run.kibibytes / 1024;

export default {
  name: 'startup',
  title: 'Starting',
  mode: 'startup',
  unit: 'process',
  takes: (arm) => Object.hasOwn(MODULES, arm.name),
  columns: [column('CPU ms', milliseconds, 1), column('MiB at most', mebibytes, 1)],
  metrics: { 'CPU of a start': milliseconds, 'memory of a start': mebibytes },
  plotted: [['CPU ms', milliseconds]],
  cases: () => [
    { name: 'an empty program, with and without register', program: 'register' },
    { name: 'net and a first server', program: 'listen' },
  ],

  async measure({ program }, arm) {
    const told = Array.from({ length: PROCESSES }, () => start(programs[program](arm.name), folderOf(arm), arm.env));
    const middle = (key) => median(told.map((one) => one[key]));
    return { milliseconds: middle('milliseconds'), kibibytes: middle('kibibytes') };
  },
};

function start(args, cwd, env) {
  const options = { cwd, encoding: 'utf8', env: { ...process.env, ...env }, timeout: 20_000 };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  if (status !== 0) throw new Error(`a process ended: status ${status}\n${stderr}`);
  return JSON.parse(stdout);
}
