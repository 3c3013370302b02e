/** Takes part in the scenarios of files alone. */
export default {
  name: 'ours-streams',
  about: 'createReadStream and createWriteStream of iouring-transport/fs',
  env: { IOURING_TRANSPORT: 'uring' },
  cannot: (scenario) => (scenario.files ? undefined : 'has files alone'),
};
