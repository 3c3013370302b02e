// The Kubernetes manifests in deploy/: the compiler holds them against Kubernetes' types, so that an unknown or missing field is an error, as it is
// with `kubectl apply`.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import ts from 'typescript';
import YAML from 'yaml';

interface Container {
  readonly name: string;
  readonly [field: string]: unknown;
}
interface Lifecycle {
  readonly preStop: { readonly sleep: { readonly seconds: number } };
}
interface PodSpec {
  readonly containers: readonly Container[];
  readonly securityContext: { readonly seccompProfile: unknown };
}
interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly template: { readonly spec: PodSpec } };
}

/** Where the types of an API are. */
const MODULES: Readonly<Record<string, string>> = {
  'apps/v1': 'kubernetes-types/apps/v1',
  'batch/v1': 'kubernetes-types/batch/v1',
  'policy/v1': 'kubernetes-types/policy/v1',
  v1: 'kubernetes-types/core/v1',
};

function resourcesOf(name: string): Resource[] {
  const documents = YAML.parseAllDocuments(readFileSync(path.join('deploy', 'kubernetes', name), 'utf8'), { strict: true });
  return documents.map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Resource;
  });
}

/** What the compiler has to say about resources, each as a constant of its type. */
function faultsOf(resources: readonly Resource[]): string[] {
  const source = resources
    .map(({ apiVersion, kind, ...rest }, index) => {
      const literal = JSON.stringify({ apiVersion, kind, ...rest });
      return `import type { ${kind} as K${index} } from '${MODULES[apiVersion]}';\nexport const k${index}: K${index} = ${literal};\n`;
    })
    .join('');
  const file = path.resolve('__test__', 'deploy', 'manifests.generated.ts');
  const options = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, version, ...rest) =>
    name === file ? ts.createSourceFile(name, source, version) : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

const resources = ['service.yaml', 'check.yaml'].flatMap(resourcesOf);
const pods = resources.filter(({ kind }) => kind === 'Deployment' || kind === 'Job').map(({ spec }) => spec.template.spec);

test('the manifests are what Kubernetes takes', (t) => {
  t.deepEqual(faultsOf(resources), []);
});

test('an unknown field, a wrong type and a missing field would be noticed', (t) => {
  const [deployment] = resources;
  const wrong = (change: object) => faultsOf([{ ...deployment, spec: { ...deployment.spec, ...change } }]).length;
  t.is(wrong({}), 0);
  t.is(wrong({ replicass: 3 }), 1);
  t.is(wrong({ replicas: 'three' }), 1);
  t.is(wrong({ selector: undefined }), 1);
});

test('the pods have the profile that the operator installs, and no capability', (t) => {
  const [profile] = resourcesOf('seccomp-profile.yaml');
  t.is(pods.length, 2);
  for (const { securityContext, containers } of pods) {
    t.deepEqual(securityContext.seccompProfile, {
      type: 'Localhost',
      localhostProfile: `operator/${profile.metadata.name}.json`,
    });
    for (const container of containers) {
      t.like(
        container,
        { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
        container.name,
      );
    }
  }
});

test('the operator’s resource is the profile for containerd, in fields that its API has', (t) => {
  const [{ spec }] = resourcesOf('seccomp-profile.yaml') as unknown as Array<{ spec: Record<string, unknown> }>;
  const { defaultErrnoRet, ...profile } = JSON.parse(readFileSync('deploy/seccomp/kubernetes.json', 'utf8')) as Record<
    string,
    unknown
  >;
  t.deepEqual(spec, profile);
  // Its API cannot say what a refused call returns: it is EPERM.
  t.is(defaultErrnoRet, os.constants.errno.EPERM);
  const fields = (objects: readonly object[]) => [...new Set(objects.flatMap((object) => Object.keys(object)))].sort();
  const syscalls = spec['syscalls'] as Array<{ args?: object[] }>;
  t.deepEqual(fields([spec]), ['architectures', 'defaultAction', 'syscalls']);
  t.deepEqual(fields(syscalls), ['action', 'args', 'errnoRet', 'names']);
  t.deepEqual(fields(syscalls.flatMap(({ args = [] }) => args)), ['index', 'op', 'value']);
});

test('the service is told of its end in time, and asked after its health', (t) => {
  const [{ containers, ...pod }] = pods as Array<PodSpec & { terminationGracePeriodSeconds?: number }>;
  const [{ startupProbe, readinessProbe, livenessProbe, lifecycle }] = containers;
  for (const probe of [startupProbe, readinessProbe, livenessProbe]) t.truthy(probe);
  const { sleep } = (lifecycle as Lifecycle).preStop;
  t.true(pod.terminationGracePeriodSeconds! > sleep.seconds + 20);
});
