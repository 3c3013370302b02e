/** What a workflow consists of: jobs, the combinations of their matrices, steps. And what of it this machine cannot do. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import YAML from 'yaml';
import { MINUTE } from '../cached.mjs';

export function readWorkflow(file) {
  return YAML.parse(readFileSync(file, 'utf8'), { strict: true });
}

/** The combinations of a job's matrix, one where it has none. */
export function combinationsOf({ strategy }) {
  const { include, ...axes } = strategy?.matrix ?? {};
  const combined = Object.entries(axes).reduce(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
  // Of `include` alone each is a combination; beside axes it would add to them, which nothing here does.
  return include !== undefined && Object.keys(axes).length === 0 ? include : combined;
}

function works([command, ...args], timeout = MINUTE / 3) {
  return spawnSync(command, args, { stdio: 'ignore', timeout }).status === 0;
}

/** Commands that need something, with what is missing where they cannot run. */
const NEEDS = [
  [/\bdocker\b/, () => (works(['docker', 'info']) ? undefined : 'no Docker daemon here')],
  [/\bgh api\b/, () => 'speaks to GitHub'],
  [/\bnpm publish\b/, () => 'publishes'],
  [/\bnpm audit\b/, () => 'asks the registry after advisories'],
  [/\bcargo deny check\b/, () => (works(['cargo', 'deny', '--version']) ? undefined : 'cargo-deny is not installed')],
  [/\bcargo miri\b/, () => (works(['cargo', 'miri', '--version']) ? undefined : 'Miri is not installed')],
  [/\bcargo install\b|\bpip install\b|\bapt-get install\b/, () => 'installs for good'],
];

/** Why a job cannot run here at all; undefined where it can. */
export function otherMachine(runsOn) {
  if (!/^ubuntu/.test(runsOn) || process.platform !== 'linux') return `runs on ${runsOn}`;
  const arch = runsOn.endsWith('-arm') ? 'arm64' : 'x64';
  return arch === process.arch ? undefined : `runs on ${arch}`;
}

/**
 * The image that a step's commands name, with the step's environment, and that neither is here nor can be pulled. It pulls what is not here.
 *
 * @param {string} commands
 * @param {Record<string, string>} env
 * @returns {string | undefined}
 */
export function missingImage(commands, env) {
  if (!/\bdocker run\b/.test(commands)) return undefined;
  const filled = commands.replaceAll(/"?\$(\w+)"?/g, (whole, name) => env[name] ?? whole);
  const images = filled.match(/(?<=\s)[a-z][\w./-]*:\w[\w.-]*(?=\s|$)/g) ?? [];
  const isThere = (image) => works(['docker', 'image', 'inspect', image]) || works(['docker', 'pull', image], 10 * MINUTE);
  return images.find((image) => !isThere(image));
}

/** Why a step's commands cannot run here; undefined where they can. */
export function obstacle(commands) {
  for (const [pattern, reason] of NEEDS) {
    const missing = pattern.test(commands) ? reason() : undefined;
    if (missing !== undefined) return missing;
  }
  return undefined;
}
