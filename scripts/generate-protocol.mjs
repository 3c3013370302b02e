/**
 * Writes ts/reactor/protocol.ts from what the native binding declares, so that the numbers of the protocol between Rust and
 * TypeScript are written once, in Rust.
 *
 * Every `#[napi] pub enum` and every numeric `#[napi] pub const` of crates/binding is taken over with its docstring. The declaration
 * file that napi writes has the values of enums; those of constants are read from the binary.
 *
 *     node scripts/generate-protocol.mjs            writes the file
 *     node scripts/generate-protocol.mjs --check    fails where the committed file differs
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import ts from 'typescript';
import { fail, inRoot } from './lib.mjs';

const TARGET = 'ts/reactor/protocol.ts';
const HEADER = `/**
 * The protocol between Rust and TypeScript: kinds of commands and completions, layout of their records, flags.
 *
 * Generated from crates/binding by \`npm run protocol\`. Do not edit.
 */
`;

const declarations = inRoot('binding.d.ts');
if (!existsSync(declarations)) fail('binding.d.ts is missing: run `npm run build:native` first.');

const source = ts.createSourceFile('binding.d.ts', readFileSync(declarations, 'utf8'), ts.ScriptTarget.Latest, true);
const parts = source.statements.flatMap((statement) => {
  if (ts.isEnumDeclaration(statement)) return [enumText(statement)];
  if (ts.isVariableStatement(statement)) return constantTexts(statement);
  return [];
});

if (parts.length > 0) {
  const text = [HEADER, ...parts].join('\n');
  const file = inRoot(TARGET);
  const current = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (process.argv.includes('--check')) {
    if (current !== text) fail(`${TARGET} does not match the binding: run \`npm run protocol\` and commit the result.`);
  } else if (current !== text) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    process.stdout.write(`Wrote ${TARGET}\n`);
  }
}

function enumText(declaration) {
  const members = declaration.members.map((member) => {
    if (member.initializer === undefined) fail(`${declaration.name.text}.${member.name.getText()} has no number.`);
    return `${docs(member, '  ')}  ${member.name.getText()} = ${member.initializer.getText()},\n`;
  });
  return `${docs(declaration)}export const enum ${declaration.name.text} {\n${members.join('')}}\n`;
}

function constantTexts(statement) {
  return statement.declarationList.declarations.map((declaration) => {
    const name = declaration.name.getText();
    const value = binding()[name];
    if (typeof value !== 'number') fail(`The binary has no number of the name ${name}: is it older than binding.d.ts?`);
    return `${docs(statement)}export const ${name} = ${value};\n`;
  });
}

/** The docstring of a node as napi wrote it, indented. */
function docs(node, indent = '') {
  const lines = ts.getJSDocCommentsAndTags(node).flatMap((comment) => comment.getText().split('\n'));
  return lines.map((line, index) => `${indent}${index === 0 ? '' : ' '}${line.trim()}\n`).join('');
}

function binding() {
  const name = readdirSync(inRoot('.')).find((file) => file.startsWith('iouring-transport.') && file.endsWith('.node'));
  if (name === undefined) fail('The native binary is missing: run `npm run build:native` first.');
  return createRequire(import.meta.url)(inRoot(name));
}
