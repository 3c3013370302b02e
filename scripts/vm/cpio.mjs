/**
 * Archives of the format that Linux takes its first file system in (`newc` of cpio).
 */

const DIRECTORY = 0o040755;
const FILE = 0o100755;

/**
 * @param {Record<string, Buffer | string | null>} files contents by path, without a leading slash; null is a folder, which has to come before what is in it
 * @returns {Buffer}
 */
export function cpio(files) {
  const parts = Object.entries(files).map(([name, contents], index) => entry(index + 1, name, contents));
  return Buffer.concat([...parts, entry(0, 'TRAILER!!!', '')]);
}

function entry(inode, name, contents) {
  const bytes = Buffer.from(contents ?? '');
  const mode = contents === null ? DIRECTORY : FILE;
  // Owner, group, links, time; then size, two devices, and the name's length with its zero.
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(head)), padded(bytes)]);
}

const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
