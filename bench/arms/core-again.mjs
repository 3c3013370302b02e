import core from './core.mjs';

/** The same once more: how far it is from the first is the noise of the run. */
export default { ...core, name: 'core-again', about: 'core a second time: the noise floor' };
