import js from '@eslint/js';
import globals from 'globals';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';

/** What each CommonJS module has of its own; `require` is not among it, since only ts/native.ts loads something. */
const OF_THE_FILE = new Set(['exports', 'module', '__filename', '__dirname']);

export default defineConfig(
  globalIgnores(['dist', '.dist-*', 'target', 'binding.d.ts', 'bench/results', 'npm', 'ts/reactor/protocol.ts']),
  js.configs.recommended,
  {
    languageOptions: { globals: globals.node },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['ts/**/*.ts', '__test__/**/*.ts', '__test__/**/*.cts'],
    extends: [ts.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: ['tsconfig.json', '__test__/types/tsconfig.json'] } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Core's own signatures are full of `any`: what is taken from it and given back cannot be narrower than core's typings.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-function-type': 'off',
      // Methods are put on prototypes and called with their owner, as core's streams do.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-this-alias': 'off',
      // Callable without `new`, merged declarations: what a drop-in for core's classes needs.
      '@typescript-eslint/no-unsafe-declaration-merging': 'off',
    },
  },
  {
    // Only the loader touches the binding: everything else goes through the reactor.
    files: ['ts/**/*.ts'],
    ignores: ['ts/native.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: ['*.node'], message: 'Only ts/native.ts loads the binding.' }] }],
      // Programs replace and delete globals (fake timers, test environments): what core's modules export comes from there. See ts/globals.ts.
      'no-restricted-globals': [
        'error',
        ...Object.keys(globals.node).filter((name) => !(name in globals.builtin) && !OF_THE_FILE.has(name)),
      ],
    },
  },
  {
    files: ['__test__/types/*.cts'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    // A test's promise is awaited by its assertion, and specs often hand a sync body to something that takes an async one.
    files: ['__test__/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
);
