// Certificates made on the spot with openssl: an authority, two servers and a client.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export interface Pair {
  readonly key: string;
  readonly cert: string;
}

export interface Certificates {
  readonly ca: string;
  /** For localhost and 127.0.0.1. */
  readonly server: Pair;
  /** For other.test. */
  readonly other: Pair;
  /** Its subject is `CN=client`. */
  readonly client: Pair;
}

let made: Certificates | undefined;

/** The same for all tests of a process. */
export function makeCertificates(): Certificates {
  return (made ??= make());
}

function make(): Certificates {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-certificates-'));
  const file = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  try {
    openssl('req', '-x509', ...curve, '-days', '2', '-subj', '/CN=authority', '-keyout', file('ca.key'), '-out', file('ca.crt'));
    const issue = (name: string, subject: string, names: string): Pair => {
      openssl('req', ...curve, '-subj', subject, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`));
      writeFileSync(file('extensions'), `subjectAltName=${names}\n`);
      const authority = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial'];
      const subjectAndEnd = [
        '-in',
        file(`${name}.csr`),
        '-out',
        file(`${name}.crt`),
        '-days',
        '2',
        '-extfile',
        file('extensions'),
      ];
      openssl('x509', '-req', ...authority, ...subjectAndEnd);
      return { key: readFileSync(file(`${name}.key`), 'utf8'), cert: readFileSync(file(`${name}.crt`), 'utf8') };
    };
    return {
      ca: readFileSync(file('ca.crt'), 'utf8'),
      server: issue('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1'),
      other: issue('other', '/CN=other.test', 'DNS:other.test'),
      client: issue('client', '/CN=client', 'DNS:client'),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
