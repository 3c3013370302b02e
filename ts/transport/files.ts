/** Opens files. */
import { constants } from 'node:fs';
import { fileURLToPath, URL } from 'node:url';
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { validateBoolean, validateInt32, validateObject, validateWord } from '../validate.ts';
import { defaults } from './defaults.ts';
import { TransportFile, type FileMode } from './file.ts';

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC } = constants;

const MODES: ReadonlyMap<FileMode, FileMode> = new Map(
  (['readOnly', 'writeOnly', 'readWrite', 'writeOnlyAppend', 'readWriteAppend'] as const).map((mode) => [mode, mode]),
);

const FLAGS: Readonly<Record<FileMode, number>> = {
  readOnly: O_RDONLY,
  writeOnly: O_WRONLY,
  readWrite: O_RDWR,
  writeOnlyAppend: O_WRONLY | O_APPEND,
  readWriteAppend: O_RDWR | O_APPEND,
};

/** How to open a file. */
export interface FileOptions {
  /** What for. Default: `readOnly`. */
  readonly mode?: FileMode;
  /** Make a file where there is none. Default: false. */
  readonly create?: boolean;
  /** Make it empty. Default: false. */
  readonly truncate?: boolean;
  /** Permissions of a file that is made, less the umask's. Default: 0o666. */
  readonly permissions?: number;
}

/** Opens a file. `onClose` is called when it has been closed. */
export async function openFile(
  path: string | URL,
  options: FileOptions,
  onRing: boolean,
  onClose: (file: TransportFile) => void,
): Promise<TransportFile> {
  if (typeof path !== 'string' && !(path instanceof URL)) throw new ERR_INVALID_ARG_TYPE('path', ['string', 'URL'], path);
  validateObject(options, 'options');
  const { file } = defaults;
  const { mode: word = file.mode, permissions = file.permissions } = options;
  const { create = file.create, truncate = file.truncate } = options;
  const mode = validateWord(word, 'options.mode', MODES);
  validateBoolean(create, 'options.create');
  validateBoolean(truncate, 'options.truncate');
  validateInt32(permissions, 'options.permissions', 0, 0o7777);
  const flags = FLAGS[mode] | (create ? O_CREAT : 0) | (truncate ? O_TRUNC : 0);
  // Whoever has no files does without all that is behind them.
  const { open } = await import('../fs/index.ts');
  const name = typeof path === 'string' ? path : fileURLToPath(path);
  return new TransportFile(name, mode, await open(name, flags, permissions), onRing, onClose);
}
