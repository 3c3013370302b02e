/**
 * For programs that are compiled without `esModuleInterop`: to them core's modules have no default export, so that every type that is core's would be none at
 * all. Types that are built import them as namespaces, which is right with and without. Done when all is written: a build plugin does not get to see types.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const DEFAULT = /^import ([\w$]+)(?:, (\{.+\}))? from ("node:(?:net|dgram|fs\/promises|http|https|http2|tls)");$/gm;

export function namespaceTypes({ options: { outDir } }) {
  for (const name of readdirSync(outDir).filter((each) => each.endsWith('.d.cts'))) {
    const file = path.join(outDir, name);
    const types = readFileSync(file, 'utf8');
    const namespaces = types.replace(DEFAULT, (_line, local, others, module) =>
      [`import * as ${local} from ${module};`, ...(others === undefined ? [] : [`import ${others} from ${module};`])].join('\n'),
    );
    writeFileSync(file, namespaces);
  }
}
