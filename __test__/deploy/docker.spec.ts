// The images and the compose file in deploy/docker: what they name is there, and the service runs as they promise. Nothing is built: that takes a Docker daemon.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import YAML from 'yaml';

const FOLDER = path.join('deploy', 'docker');
const SERVICE = path.join('examples', 'service');
const { dependencies } = JSON.parse(readFileSync(path.join(SERVICE, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

for (const name of ['Dockerfile', 'Dockerfile.alpine']) {
  const text = readFileSync(path.join(FOLDER, name), 'utf8');
  test(`${name} copies what is there, and every module that is imported`, (t) => {
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \.\/$/gm)].flatMap(([, files]) => files.split(' '));
    for (const file of copied) t.true(existsSync(path.join(SERVICE, file)), file);
    for (const file of copied.filter((one) => one.endsWith('.mjs'))) {
      const source = readFileSync(path.join(SERVICE, file), 'utf8');
      for (const [, imported] of source.matchAll(/(?:from|import\() ?'([^']+)'/g)) {
        if (imported.startsWith('./')) t.true(copied.includes(imported.slice(2)), imported);
        else if (!imported.startsWith('node:')) t.true(imported in dependencies, imported);
      }
    }
  });

  test(`${name}: no root, no compiler, and the service gets its signals itself`, (t) => {
    t.regex(text, /^(?:USER [1-9]\d*|FROM \S+:nonroot)$/m);
    t.regex(text, /--ignore-scripts/);
    t.regex(text, /^CMD \[.*"--import", "iouring-transport\/register", "server\.mjs"\]$/m);
    // The binary belongs to a C library: both stages have the same.
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    t.is(new Set(images.map((image) => image.includes('alpine'))).size, 1);
  });
}

test('compose: the service alone has the profile, which is there, no capability, and time to end', (t) => {
  const file = readFileSync(path.join(FOLDER, 'compose.yaml'), 'utf8');
  const { services } = YAML.parse(file, { strict: true }) as { services: Record<string, Record<string, never>> };
  const { service, postgres, redis } = services;
  const [profile] = service['security_opt'] as string[];
  t.true(existsSync(path.join(FOLDER, profile.replace('seccomp=', ''))));
  for (const other of [postgres, redis]) t.false('security_opt' in other);
  t.like(service, { cap_drop: ['ALL'], read_only: true, stop_grace_period: '30s' });
  const { context, dockerfile } = service['build'] as { context: string; dockerfile: string };
  t.true(existsSync(path.join(FOLDER, context, dockerfile)));
  for (const volume of postgres['volumes'] as string[]) t.true(existsSync(path.join(FOLDER, volume.split(':')[0])));
});
