/**
 * Packages of any of Debian's suites and processors, unpacked into a folder of the user's caches; nothing is installed. On a Debian machine: the archive is the one
 * that its apt is configured with, and apt checks the signatures.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder, MINUTE, Missing } from './cached.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Debian's name of a processor that Node has another for. */
export const debianArch = (arch) => ({ x64: 'amd64', ppc64: 'ppc64el' })[arch] ?? arch;

/**
 * Fetches packages and unpacks them one over the other.
 *
 * @param {string} name of the folder: the same name means the same packages, which are fetched once
 * @param {string} suite such as `bookworm`
 * @param {string[]} archs whose packages there are to be, as Debian calls them; the first is that of names without one
 * @param {string[]} wanted names of packages, as apt takes them (`libc6:arm64`)
 * @param {{ dependencies?: boolean }} [options] also what they depend on
 * @returns {string} path of the folder
 * @throws {Missing} where this machine has no apt, or cannot reach an archive with that suite
 */
export function unpacked(name, suite, archs, wanted, { dependencies = false } = {}) {
  const folder = cacheFolder('debian', name);
  if (existsSync(folder)) return folder;
  const next = `${folder}-${process.pid}`;
  mkdirSync(next, { recursive: true });
  try {
    for (const file of download(suite, archs, wanted, dependencies)) must('dpkg-deb', ['--extract', file, next]);
    renameSync(next, folder);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
  return folder;
}

/**
 * The newest package of a suite whose name is matched by a pattern, which has to match the whole name, unpacked into a folder. Where the archive lists it
 * and does not have it, as happens with the rarer processors, the next older one.
 */
export function newestUnpacked(suite, arch, pattern) {
  const apt = configured(suite, [arch]);
  const names = must('apt-cache', [...apt.options, 'pkgnames']).split('\n');
  const matching = names.filter((name) => new RegExp(`^(?:${pattern})$`).test(name));
  let lacking = new Missing(`${suite} has no package ${pattern} for ${arch}`);
  for (const name of matching.sort(new Intl.Collator('en', { numeric: true }).compare).reverse()) {
    try {
      return unpacked(name, suite, [arch], [name]);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      lacking = error;
    }
  }
  throw lacking;
}

/** @returns {string[]} paths of the packages' files */
function download(suite, archs, wanted, dependencies) {
  const { folder, options } = configured(suite, archs);
  if (dependencies)
    must('apt-get', [...options, 'install', '--yes', '--download-only', '--no-install-recommends', ...wanted], { cwd: folder });
  else must('apt-get', [...options, 'download', ...wanted], { cwd: path.join(folder, 'archives') });
  const files = readdirSync(path.join(folder, 'archives')).filter((file) => file.endsWith('.deb'));
  return files.map((file) => path.join(folder, 'archives', file));
}

/** An apt of its own for a suite, with nothing installed, and its lists fetched. */
function configured(suite, archs) {
  const folder = cacheFolder('apt', [suite, ...archs].join('-'));
  const options = [
    `APT::Architecture=${archs[0]}`,
    ...archs.map((arch) => `APT::Architectures::=${arch}`),
    'APT::Sandbox::User=',
    'APT::Get::AllowUnauthenticated=false',
    `Dir::State=${folder}`,
    `Dir::State::status=${folder}/status`,
    `Dir::Cache=${folder}`,
    `Dir::Cache::archives=${folder}/archives`,
    `Dir::Etc::sourcelist=${folder}/sources.list`,
    'Dir::Etc::sourceparts=-',
    'Dir::Etc::preferencesparts=-',
  ].flatMap((option) => ['-o', option]);
  rmSync(path.join(folder, 'archives'), { recursive: true, force: true });
  for (const part of ['lists/partial', 'archives/partial']) mkdirSync(path.join(folder, part), { recursive: true });
  if (!existsSync(path.join(folder, 'status'))) {
    writeFileSync(path.join(folder, 'sources.list'), `deb [signed-by=${KEYRING}] ${archive()} ${suite} main\n`);
    must('apt-get', [...options, 'update', '--error-on=any']);
    writeFileSync(path.join(folder, 'status'), '');
  }
  return { folder, options };
}

/** Where this machine's apt has Debian's packages from. */
function archive() {
  const sites = must('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages', 'Origin: Debian']).split('\n');
  const site = sites.find((line) => /\/debian\/?$/.test(line));
  if (site === undefined) throw new Missing('apt is configured with no archive of Debian here');
  return site;
}

function must(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 10 * MINUTE,
    maxBuffer: 1 << 28,
    ...options,
  });
  if (status !== 0) throw new Missing(`${command} ${args.at(-1)} failed: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
