import process from 'node:process';
import { streamServer } from '../lib/processes.mjs';

export default {
  name: 'core',
  about: 'node:net',
  collectsGarbage: true,
  command: (mode, address) => [process.execPath, '--expose-gc', streamServer, 'node:net', mode, address],
};
