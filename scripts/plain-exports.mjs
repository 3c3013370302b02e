/**
 * A build plugin that exports by assignments.
 *
 * A bundler has the files that it makes export by a getter each, since a variable may change later. Of ours few do, and a hundred functions that do nothing
 * but return a variable would be parsed and made by every program that starts.
 */
const GETTER =
  /^Object\.defineProperty\(exports, '(\w+)', \{\s+enumerable: true,\s+get: function \(\) \{\s+return (\w+);\s+\}\s+\}\);$/gm;

/** Where the bundler gathers the exports of a file in an object: it takes what programs have put on `Object.prototype` for exports, too. */
const GATHERED = /for \(var name in all\) \{\s+__defProp\(target, name, \{/;

export function plainExports() {
  return {
    name: 'plain-exports',
    renderChunk(code) {
      const variables = new Set(Array.from(code.matchAll(/^let (\w+)/gm), ([, name]) => name));
      const own = code.replace(GATHERED, 'for (const name of Object.keys(all)) {\n__defProp(target, name, {\n__proto__: null,');
      return own
        .replace(GETTER, (getter, name, variable) => (variables.has(variable) ? getter : `exports.${name} = ${variable};`))
        .replace(/^Object\.defineProperty\(exports, '\w+', \{/gm, '$& __proto__: null,');
    },
  };
}
