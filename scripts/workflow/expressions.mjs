/**
 * The expressions of workflows, `${{ … }}`: the part of them that the workflows here use. Anything else is an error, and so a reason to look.
 */

const TOKEN = /\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|([A-Za-z_][\w-]*(?:\.[\w-]+)*)|(&&|\|\||==|!=|[!(),]))/y;

function tokensOf(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`cannot read '${text.slice(from)}'`);
    const [, string, number, name, sign] = match;
    if (string !== undefined) tokens.push({ value: string.slice(1, -1).replaceAll("''", "'") });
    else if (number !== undefined) tokens.push({ value: Number(number) });
    else tokens.push(name === undefined ? { sign } : { name });
  }
  return tokens;
}

/** Whether a value counts as true: as in JavaScript. */
const isTrue = (value) => Boolean(value);

/** Strings are compared without regard to case, and what is missing is an empty string. */
const comparable = (value) => (typeof value === 'string' ? value.toLowerCase() : (value ?? ''));

/**
 * The value of an expression.
 *
 * @param {string} text without `${{ }}`
 * @param {Record<string, unknown>} contexts `github`, `matrix`, `inputs`, …; and functions, such as `always`
 * @public specs import this file by a path that they put together
 */
export function evaluate(text, contexts) {
  const tokens = tokensOf(text);
  let at = 0;
  const take = (sign) => tokens[at]?.sign === sign && at++ >= 0;

  function primary() {
    if (take('!')) return !isTrue(primary());
    if (take('(')) return closing(either());
    const token = tokens[at++];
    if (token === undefined || token.sign !== undefined) throw new Error(`'${text}' is not complete`);
    if ('value' in token) return token.value;
    if (token.name === 'true' || token.name === 'false') return token.name === 'true';
    return take('(') ? call(token.name) : lookUp(token.name);
  }
  function closing(value) {
    if (!take(')')) throw new Error(`'${text}' misses a ')'`);
    return value;
  }
  function call(name) {
    if (typeof contexts[name] !== 'function') throw new Error(`there is no function ${name}() here`);
    return closing(contexts[name]());
  }
  function lookUp(name) {
    const [context, ...path] = name.split('.');
    if (!(context in contexts)) throw new Error(`there is no context ${context} here`);
    return path.reduce((value, key) => value?.[key], contexts[context]);
  }
  function comparison() {
    const left = primary();
    if (take('==')) return comparable(left) === comparable(primary());
    return take('!=') ? comparable(left) !== comparable(primary()) : left;
  }
  // Both sides are read, also where the value is decided: there is nothing in them that does anything.
  function both() {
    let value = comparison();
    while (take('&&')) {
      const right = comparison();
      value = isTrue(value) ? right : value;
    }
    return value;
  }
  function either() {
    let value = both();
    while (take('||')) {
      const right = both();
      value = isTrue(value) ? value : right;
    }
    return value;
  }

  const value = either();
  if (at < tokens.length) throw new Error(`'${text}' has something behind its end`);
  return value;
}

/** A text with the values of its expressions in their places. */
export function fill(text, contexts) {
  return String(text).replaceAll(/\$\{\{(.*?)\}\}/gs, (_, expression) => String(evaluate(expression, contexts) ?? ''));
}

/** Whether an `if:` holds. Without a word on the job's state it asks for success, as GitHub does. */
export function holds(condition, contexts) {
  if (condition === undefined) return contexts.success();
  const text = String(condition).replace(/^\s*\$\{\{(.*)\}\}\s*$/s, '$1');
  const saysState = /\b(?:always|failure|success|cancelled)\(\)/.test(text);
  return (saysState || contexts.success()) && isTrue(evaluate(text, contexts));
}
