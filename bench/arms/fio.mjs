import { tryFio } from '../lib/fio.mjs';

/** Takes part in the scenarios of files alone. */
export default {
  name: 'fio',
  about: 'fio with its io_uring engine: what the machine gives',
  missing: tryFio,
  cannot: (scenario) => (scenario.files ? undefined : 'has files alone'),
};
