/**
 * The words of core's messages: what had been expected, and what came instead.
 */
import { inspect } from 'node:util';

/** `"port" argument`, or `"options.port" property`. */
export function subject(name: string): string {
  if (name.endsWith(' argument')) return name;
  return `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

const PRIMITIVES: ReadonlySet<string> = new Set([
  'string',
  'function',
  'number',
  'object',
  'Function',
  'Object',
  'boolean',
  'bigint',
  'symbol',
]);

/** `of type number or an instance of Buffer`: primitive types first, then classes, then free text. */
export function expectation(expected: readonly string[]): string {
  let types = expected.filter((name) => PRIMITIVES.has(name)).map((name) => name.toLowerCase());
  const classes = expected.filter((name) => !PRIMITIVES.has(name) && /^[A-Z][a-zA-Z0-9]*$/.test(name));
  const others = expected.filter((name) => !PRIMITIVES.has(name) && !classes.includes(name));
  if (classes.length > 0 && types.includes('object')) {
    types = types.filter((name) => name !== 'object');
    classes.push('Object');
  }

  const parts: string[] = [];
  if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${joinList(types, 'or')}`);
  if (classes.length > 0) parts.push(`an instance of ${joinList(classes, 'or')}`);
  if (others.length > 1) parts.push(`one of ${joinList(others, 'or')}`);
  else if (others.length === 1) parts.push(others[0].toLowerCase() === others[0] ? others[0] : `an ${others[0]}`);
  return parts.join(' or ');
}

/** `a, b, and c`. */
export function joinList(items: readonly string[], word: 'and' | 'or'): string {
  if (items.length < 2) return items.join('');
  if (items.length === 2) return items.join(` ${word} `);
  return `${items.slice(0, -1).join(', ')}, ${word} ${items.at(-1)}`;
}

/** What a value is, in core's words: `type string ('x')`, `an instance of Map`, `undefined`. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  switch (typeof value) {
    case 'function':
      return `function ${value.name}`;
    case 'object':
      if (value.constructor && 'name' in value.constructor) return `an instance of ${value.constructor.name}`;
      return inspect(value, { depth: -1 });
    case 'bigint':
      return `type bigint (${value}n)`;
    case 'number':
      return `type number (${Object.is(value, -0) ? '-0' : value})`;
    case 'string': {
      const text = value.length > 28 ? `${value.slice(0, 25)}...` : value;
      return `type string (${text.includes("'") ? JSON.stringify(text) : `'${text}'`})`;
    }
    case 'boolean':
    case 'symbol':
      return `type ${typeof value} (${String(value)})`;
    default:
      return typeof value;
  }
}

/** A number as core prints it in range errors: digits grouped by underscores where it passes 2^32. */
export function describeNumber(value: unknown): string {
  if (typeof value === 'bigint') {
    const large = value > 2n ** 32n || value < -(2n ** 32n);
    return `${large ? groupDigits(String(value)) : String(value)}n`;
  }
  if (Number.isInteger(value) && Math.abs(value as number) > 2 ** 32) return groupDigits(String(value));
  return inspect(value);
}

function groupDigits(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, '_');
}
