import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import ours from './ours.mjs';

const { BENCH_BASE } = process.env;
const folder = path.resolve(BENCH_BASE ?? '');
/** The same file of the other checkout, whose server imports the package that it lies in. */
const there = (argument) => argument.replace(inRoot('bench'), path.join(folder, 'bench'));

export default {
  ...ours,
  name: 'base',
  about: 'ours, of the checkout that BENCH_BASE names',
  command: (mode, address) => ours.command(mode, address).map(there),
  missing() {
    if (!BENCH_BASE) return 'BENCH_BASE names no checkout to compare with';
    return existsSync(path.join(folder, 'dist', 'index.mjs')) ? ours.missing() : `${BENCH_BASE} is not built`;
  },
};
