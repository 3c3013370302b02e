/**
 * A build plugin that takes core's modules as they are.
 *
 * What a bundler puts between a CommonJS file and its default imports copies every property of the module, so that it looks like an ES module. Of a module
 * of core's the default import is the module itself: copying costs start-up time, and each use an access more.
 *
 * Those that `register` answers with ours are asked for past `require`, where it has left a way: tracers and mocks replace `require`, and give whoever asks for a module by its
 * name what the first has got, so that ours were given themselves.
 *
 * And what is passed on from core (`export * from 'node:tls'`) can be assigned to where core's can, and is core's then: core's own code looks there
 * (`tls.DEFAULT_CIPHERS = …`). A getter and a setter do that, but tools that put a mock in the place of a function look first whether the property holds
 * one. So who asks for the description of a property is given that of core's, and who defines one anew defines core's. Of `fs/promises`, where core
 * looks nothing up, what is passed on is a copy.
 */
export function coreImports() {
  return {
    name: 'core-imports',
    renderChunk(code) {
      const direct = code
        .replace(/^(node_\w+) = \w+\.__toESM\(\1(?:, 1)?\);\n/gm, '')
        .replace(/\b(node_\w+)\.default\b/g, '$1')
        .replace(/^Object\.keys\((node_\w+)\)\.forEach\([^]*?^\}\);\n?/gm, passOn);
      const past = direct.replace(
        /^(\w+ node_\w+ =) require\(("node:(?:net|https?|http2|tls|dgram|fs\/promises)")\);$/gm,
        '$1 core?.($2) ?? require($2);',
      );
      return past === direct ? withoutRuntime(direct) : withoutRuntime(`${CORE}${past}`);
    },
  };
}

const CORE = "const core = globalThis[Symbol.for('iouring-transport.core')];\n";

/** The file with what has copied need not be loaded where nothing else of it is used. */
function withoutRuntime(code) {
  const runtime = /^const (\w*runtime) = require\(.*\);\n/m.exec(code);
  return runtime === null || code.includes(`${runtime[1]}.`) ? code : code.replace(runtime[0], '');
}

function passOn(_whole, module) {
  if (module === 'node_fs_promises') {
    return `for (const name of Object.keys(${module})) if (!Object.hasOwn(exports, name)) exports[name] = ${module}[name];\n`;
  }
  return `const passed = new Set();
for (const name of Object.getOwnPropertyNames(${module})) {
  if (Object.hasOwn(exports, name)) continue;
  const { set, writable, enumerable } = { __proto__: null, ...Object.getOwnPropertyDescriptor(${module}, name) };
  passed.add(name);
  Object.defineProperty(exports, name, {
    __proto__: null,
    get: () => ${module}[name],
    set: writable || set ? (value) => { ${module}[name] = value; } : undefined,
    enumerable,
    configurable: true,
  });
}
module.exports = new Proxy(exports, {
  __proto__: null,
  getOwnPropertyDescriptor(own, name) {
    if (!passed.has(name)) {
      void own[name]; // What is loaded on demand becomes a plain property with that.
      return Object.getOwnPropertyDescriptor(own, name);
    }
    return { __proto__: null, ...Object.getOwnPropertyDescriptor(${module}, name), configurable: true };
  },
  defineProperty: (own, name, description) => Reflect.defineProperty(passed.has(name) ? ${module} : own, name, description),
});
`;
}
