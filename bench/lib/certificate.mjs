/** A certificate for the scenarios with TLS, made anew for each run: where its two files are is in the environment of the servers. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

/** Makes it, once; ECDSA, as most servers have it. @returns why that is not possible, `undefined` where it was */
export function makeCertificate() {
  if (process.env.BENCH_CERTIFICATE !== undefined) return undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const { status } = spawnSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'].concat(
      ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ['-keyout', key, '-out', cert],
    ),
    { stdio: 'ignore' },
  );
  if (status !== 0) return 'openssl, which makes the certificate, does not run';
  process.env.BENCH_CERTIFICATE = folder;
  return undefined;
}
