/**
 * A build plugin that takes core's modules as they are.
 *
 * What a bundler puts between a CommonJS file and its default imports copies every property of the module, so that it looks like an ES module. Of a module
 * of core's the default import is the module itself: copying costs start-up time, and each use an access more.
 */
export function coreImports() {
  return {
    name: 'core-imports',
    renderChunk(code) {
      const direct = code.replace(/^(node_\w+) = \w+\.__toESM\(\1(?:, 1)?\);\n/gm, '').replace(/\b(node_\w+)\.default\b/g, '$1');
      // The file with what has copied need not be loaded where nothing else of it is used.
      const runtime = /^const (\w*runtime) = require\(.*\);\n/m.exec(direct);
      return runtime === null || direct.includes(`${runtime[1]}.`) ? direct : direct.replace(runtime[0], '');
    },
  };
}
