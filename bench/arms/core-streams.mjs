/** Takes part in the scenarios of files alone. */
export default {
  name: 'core-streams',
  about: "createReadStream and createWriteStream of core's FileHandle",
  cannot: (scenario) => (scenario.files ? undefined : 'has files alone'),
};
