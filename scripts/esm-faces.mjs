/**
 * A build plugin that puts an ES module in front of every CommonJS entry.
 *
 * `dist/net.mjs` names the exports of `dist/net.cjs` one by one, so that tools can see them without running it, and its
 * default export is the module object itself: `import net from 'iouring-transport/net'` and `require('iouring-transport/net')`
 * give the same object.
 *
 * @param {readonly string[]} [facades] entries that stand for a module of core's.
 * @param {Record<string, string>} [wholes] core modules whose every export an entry also has, by entry: newer Node versions know more
 * names than can be written down here.
 * @param {Record<string, string>} [firsts] entries to be run before anything else that an entry imports, by entry. Core's modules are run when the graph is linked,
 * long before the entry itself.
 * @param {Record<string, readonly string[]>} [onDemand] what entries export by getters of their own, which the build does not know of.
 */
export function esmFaces(facades = [], wholes = {}, firsts = {}, onDemand = {}) {
  return {
    name: 'esm-faces',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk' || !chunk.isEntry || !chunk.fileName.endsWith('.cjs')) continue;
        const base = chunk.fileName.slice(0, -'.cjs'.length);
        const names = [...chunk.exports.filter((name) => name !== 'default'), ...(onDemand[base] ?? [])].sort();
        this.emitFile({
          type: 'asset',
          fileName: `${base}.mjs`,
          source: face(base, names, facades.includes(base), wholes[base], firsts[base]),
        });
        this.emitFile({ type: 'asset', fileName: `${base}.d.mts`, source: faceTypes(base) });
      }
    },
  };
}

function face(base, names, stands, whole, first) {
  return [
    ...(first === undefined ? [] : [`import './${first}.cjs';`]),
    `import implementation from './${base}.cjs';`,
    // What is named below takes precedence.
    ...(whole === undefined ? [] : [`export * from '${whole}';`]),
    ...(names.length === 0 ? [] : named(names, stands)),
    'export default implementation;',
    '',
  ].join('\n');
}

/** Where the entry stands for a module of core's, `register` has the names follow the object when a program says that it has changed: see there. */
function named(names, stands) {
  const list = names.join(', ');
  if (!stands) return [`export const { ${list} } = implementation;`];
  return [
    `let { ${list} } = implementation;`,
    `export { ${list} };`,
    `globalThis[Symbol.for('iouring-transport.registered')]?.push(() => ({ ${list} } = implementation));`,
  ];
}

function faceTypes(base) {
  return [
    `import implementation = require('./${base}.cjs');`,
    `export * from './${base}.cjs';`,
    'export default implementation;',
    '',
  ].join('\n');
}
