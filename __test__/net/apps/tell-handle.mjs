// A child process that says whether a handle came with a message.
process.on('message', (_message, handle) => {
  process.send(handle === undefined ? 'no handle' : 'a handle');
  handle?.destroy();
});
