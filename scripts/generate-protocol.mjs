/**
 * Writes two files of TypeScript from what the native binding declares, so that what crosses between Rust and TypeScript is written once, in Rust:
 *
 * - ts/reactor/protocol.ts has every `#[napi] pub enum` and every `#[napi] pub const` of crates/binding with its docstring. The declaration file that napi
 *   writes has the values of enums; those of constants are read from the binary.
 * - ts/native-binding.ts has its classes, objects and functions, as types, and of constants those that are strings: what another binary may have otherwise.
 *
 *     node scripts/generate-protocol.mjs            writes the files
 *     node scripts/generate-protocol.mjs --check    fails where a committed file differs
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';
import { fail, inRoot } from './lib.mjs';

const PROTOCOL = 'ts/reactor/protocol.ts';
const PROTOCOL_HEADER = `/**
 * The protocol between Rust and TypeScript: kinds of commands and completions, layout of their records, flags.
 *
 * Generated from crates/binding by \`npm run protocol\`. Do not edit.
 */
`;

const BINDING = 'ts/native-binding.ts';
const BINDING_HEADER = `/**
 * What the native binding exports. Numbers that methods return are negative errnos on failure.
 *
 * Generated from crates/binding by \`npm run protocol\`. Do not edit.
 */
import type { Domain } from './reactor/protocol.ts';
`;

const declarations = inRoot('binding.d.ts');
if (!existsSync(declarations)) fail('binding.d.ts is missing: run `npm run build:native` first.');

const source = ts.createSourceFile('binding.d.ts', readFileSync(declarations, 'utf8'), ts.ScriptTarget.Latest, true);
const numbers = source.statements.flatMap((statement) => {
  if (ts.isEnumDeclaration(statement)) return [enumText(statement)];
  if (ts.isVariableStatement(statement)) return constantTexts(statement);
  return [];
});
const types = source.statements.flatMap((statement) => {
  if (ts.isInterfaceDeclaration(statement)) return [`${docs(statement)}${statement.getText()}\n`];
  if (ts.isClassDeclaration(statement)) return [classText(statement)];
  return [];
});

if (numbers.length > 0) {
  bring(PROTOCOL, [PROTOCOL_HEADER, ...numbers].join('\n'));
  const text = [BINDING_HEADER, ...types, exportsText()].join('\n');
  const target = inRoot(BINDING);
  bring(BINDING, await format(text, { ...(await resolveConfig(target)), filepath: target }));
}

/** Writes a file, or says that it differs. */
function bring(target, text) {
  const file = inRoot(target);
  const current = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (current === text) return;
  if (process.argv.includes('--check'))
    fail(`${target} does not match the binding: run \`npm run protocol\` and commit the result.`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  process.stdout.write(`Wrote ${target}\n`);
}

/** A class as the interface of its instances, and of what makes them. */
function classText(declaration) {
  const name = declaration.name.text;
  const members = declaration.members.filter((member) => !ts.isConstructorDeclaration(member));
  const made = declaration.members.find((member) => ts.isConstructorDeclaration(member));
  const parameters = made.parameters.map((parameter) => optional(parameter.getText())).join(', ');
  return [
    `${docs(declaration)}export interface ${name} {\n${members.map((member) => memberText(member)).join('')}}\n`,
    `${docs(made)}export type ${name}Constructor = new (${parameters}) => ${name};\n`,
  ].join('\n');
}

/** What may be left out may be undefined, without another word. */
function optional(text) {
  return text.replaceAll(' | undefined | null', ' | null');
}

function memberText(member) {
  const text = ts.isGetAccessor(member)
    ? `readonly ${member.name.getText()}: ${member.type.getText()}`
    : optional(member.getText());
  return `${docs(member, '  ')}  ${text};\n`;
}

/** The exports of the module, but for the numbers of the protocol. */
function exportsText() {
  const members = source.statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement)) return stringTexts(statement);
    if (ts.isClassDeclaration(statement)) return [`  readonly ${statement.name.text}: ${statement.name.text}Constructor;\n`];
    if (!ts.isFunctionDeclaration(statement)) return [];
    const parameters = statement.parameters.map((parameter) => parameter.getText()).join(', ');
    return [`${docs(statement, '  ')}  ${statement.name.text}(${parameters}): ${statement.type.getText()};\n`];
  });
  return `/** The exports of the module. */\nexport interface NativeBinding {\n${members.join('')}}\n`;
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
    if (typeof value !== 'number' && typeof value !== 'string')
      fail(`The binary has no constant of the name ${name}: is it older than binding.d.ts?`);
    const literal = typeof value === 'number' ? String(value) : `'${value}'`;
    return `${docs(statement)}export const ${name} = ${literal};\n`;
  });
}

function stringTexts(statement) {
  return statement.declarationList.declarations
    .filter((declaration) => declaration.type?.getText() === 'string')
    .map((declaration) => `${docs(statement, '  ')}  readonly ${declaration.name.getText()}: string;\n`);
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
