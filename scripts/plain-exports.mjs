/**
 * A build plugin that exports by assignments.
 *
 * A bundler has the files that it makes export by a getter each, since a variable may change later. Of ours few do, and a hundred functions that do nothing
 * but return a variable would be parsed and made by every program that starts.
 */
const GETTER =
  /^Object\.defineProperty\(exports, '(\w+)', \{\s+enumerable: true,\s+get: function \(\) \{\s+return (\w+);\s+\}\s+\}\);$/gm;

export function plainExports() {
  return {
    name: 'plain-exports',
    renderChunk(code) {
      const variables = new Set(Array.from(code.matchAll(/^let (\w+)/gm), ([, name]) => name));
      return code.replace(GETTER, (getter, name, variable) =>
        variables.has(variable) ? getter : `exports.${name} = ${variable};`,
      );
    },
  };
}
