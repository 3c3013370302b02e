/**
 * A build plugin that takes core's modules as they are.
 *
 * What a bundler puts between a CommonJS file and its default imports copies every property of the module, so that it looks like an ES module. Of a module
 * of core's the default import is the module itself: copying costs start-up time, and each use an access more.
 *
 * And what is passed on from core (`export * from 'node:tls'`) stays core's: a property of the same kind, which who assigns to it (`tls.DEFAULT_CIPHERS = …`) or
 * defines it anew assigns or defines in core's module, where core's own code looks.
 */
export function coreImports() {
  return {
    name: 'core-imports',
    renderChunk(code) {
      const direct = code
        .replace(/^(node_\w+) = \w+\.__toESM\(\1(?:, 1)?\);\n/gm, '')
        .replace(/\b(node_\w+)\.default\b/g, '$1')
        .replace(/^Object\.keys\((node_\w+)\)\.forEach\([^]*?^\}\);\n?/gm, passOn);
      // The file with what has copied need not be loaded where nothing else of it is used.
      const runtime = /^const (\w*runtime) = require\(.*\);\n/m.exec(direct);
      return runtime === null || direct.includes(`${runtime[1]}.`) ? direct : direct.replace(runtime[0], '');
    },
  };
}

/** By a proxy: an accessor could do so as well, but who mocks a function (`mock.method(https, 'request')`, sinon's stubs) wants a property that has one. */
function passOn(_whole, module) {
  return `{
  const holder = (own, name) => (Object.hasOwn(own, name) || !Object.hasOwn(${module}, name) ? own : ${module});
  module.exports = new Proxy(exports, {
    has: (own, name) => name in holder(own, name),
    get: (own, name) => holder(own, name)[name],
    set: (own, name, value) => Reflect.set(holder(own, name), name, value),
    ownKeys: (own) => [...new Set([...Reflect.ownKeys(${module}), ...Reflect.ownKeys(own)])],
    getOwnPropertyDescriptor(own, name) {
      const from = holder(own, name);
      const found = Reflect.getOwnPropertyDescriptor(from, name);
      // A proxy may not say that something is there for ever which its target does not have.
      return found && from !== own ? { ...found, configurable: true } : found;
    },
    defineProperty: (own, name, descriptor) => Reflect.defineProperty(holder(own, name), name, descriptor),
    deleteProperty: (own, name) => Reflect.deleteProperty(holder(own, name), name),
  });
}
`;
}
