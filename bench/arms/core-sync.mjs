/** Takes part in the scenarios of files alone. */
export default {
  name: 'core-sync',
  about: 'fs.readSync and fs.writeSync, which block',
  cannot: (scenario) => (scenario.files ? undefined : 'has files alone'),
};
