/**
 * A build plugin for programs that are compiled without `esModuleInterop`: to them core's modules have no default export, so that every type that is core's would
 * be none at all. Types import them as namespaces, which is right with and without.
 */
const DEFAULT = /^import (\w+)(?:, (\{.+\}))? from ("node:(?:net|dgram|fs\/promises|http|https|http2|tls)");$/gm;

export function namespaceTypes() {
  return {
    name: 'namespace-types',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk' || !chunk.fileName.endsWith('.d.cts')) continue;
        chunk.code = chunk.code.replace(DEFAULT, (_line, name, others, module) =>
          [`import * as ${name} from ${module};`, ...(others === undefined ? [] : [`import ${others} from ${module};`])].join('\n'),
        );
      }
    },
  };
}
