/** Takes part in the scenarios of files alone. */
export default {
  name: 'ours-batch',
  about: 'readMany and writeMany of iouring-transport/fs',
  env: { IOURING_TRANSPORT: 'uring' },
  cannot: (scenario) => (scenario.files ? undefined : 'has files alone'),
};
