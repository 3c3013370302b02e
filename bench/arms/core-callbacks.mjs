/** Takes part in the scenarios of files alone. */
export default {
  name: 'core-callbacks',
  about: 'fs.read and fs.write with callbacks',
  cannot: (scenario) => (scenario.files ? undefined : 'has files alone'),
};
