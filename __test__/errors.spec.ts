import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import test from 'ava';
import {
  BufferGoneError,
  ChainError,
  IouringError,
  IouringUnavailableError,
  NotUnixSocketError,
  ReactorInUseError,
  RingFailedError,
} from 'iouring-transport';
import { ChainError as ChainErrorOfFiles } from 'iouring-transport/fs';

/** All codes in the sources of a folder. */
function codesIn(folder: string, extension: string): Set<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(extension));
  return new Set(files.flatMap((file) => codesOf(readFileSync(path.join(folder, file), 'utf8'))));
}

function codesOf(text: string): string[] {
  return (text.match(/ERR_IOURING_[A-Z_]+\b/g) ?? []).filter((code) => !code.endsWith('_'));
}

const page = readFileSync('docs/errors.md', 'utf8');
const catalogue = new Set(codesOf(readFileSync('ts/errors/iouring.ts', 'utf8')));

test('the catalogue has every code of the sources', (t) => {
  const used = new Set([
    ...codesIn('ts', '.ts'),
    ...codesIn('crates/reactor/src', '.rs'),
    ...codesIn('crates/binding/src', '.rs'),
  ]);
  t.deepEqual([...used].sort(), [...catalogue].sort());
});

test('the page explains each code once, with cause and cure, and no other', (t) => {
  const rows = page.split('\n').filter((line) => line.startsWith('| `ERR_'));
  t.deepEqual(rows.map((row) => codesOf(row)[0]).sort(), [...catalogue].sort());
  for (const row of rows) {
    const [cause, cure] = row.split('|').slice(-3, -1);
    t.true(cause.trim().length > 10 && cure.trim().length > 10, row);
  }
});

test('each class of ours is on the page and goes by its name and code', (t) => {
  const errors = [
    new IouringUnavailableError('ERR_IOURING_REFUSED_SECCOMP', 'it is forbidden', -1),
    new NotUnixSocketError(),
    new BufferGoneError('read'),
    new ChainError(1, 'read', [0, -5], new Error('of the step')),
    new ReactorInUseError(),
    new RingFailedError(-9),
  ];
  for (const error of errors) {
    const { name } = error.constructor;
    t.true(error instanceof IouringError && error instanceof Error);
    t.is(error.name, name);
    t.false(Object.keys(error).includes('name'));
    t.is(String(error), `${name} [${error.code}]: ${error.message}`);
    t.true(error.stack!.startsWith(String(error)), error.stack);
    t.true(inspect(error).startsWith(String(error)), inspect(error));
    t.true(page.includes(`| \`${error.code}\``) && page.includes(`\`${name}\``), name);
  }
  t.is(ChainErrorOfFiles, ChainError);
});
