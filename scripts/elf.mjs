/**
 * What an ELF file of 64 bits, little-endian, says of itself: for which processor and how large pages it is, what it needs of other libraries, and whether it
 * has been stripped.
 */
import { readFileSync } from 'node:fs';

const LOADED = 1;
const SYMBOL_TABLE = 2;
const DYNAMIC = 6;
const VERSIONS_NEEDED = 0x6ffffffe;
const NEEDED = 1;

/**
 * @returns {{ machine: number, pages: number, size: number, stripped: boolean, libraries: string[], versions: string[] }} versions as in `GLIBC_2.17`; `pages` is
 *   the most bytes that a page may have where it is loaded
 */
export function readElf(file) {
  const bytes = readFileSync(file);
  if (!bytes.latin1Slice(0, 6).startsWith('\x7fELF\x02\x01')) throw new Error(`${file} is no 64-bit ELF file`);
  const sections = sectionsOf(bytes);
  const dynamic = sections.find(({ type }) => type === DYNAMIC);
  return {
    machine: bytes.readUInt16LE(18),
    pages: Math.min(...alignmentsOf(bytes)),
    size: bytes.length,
    stripped: !sections.some(({ type }) => type === SYMBOL_TABLE),
    libraries: dynamic === undefined ? [] : librariesOf(bytes, dynamic, sections[dynamic.link]),
    versions: sections
      .filter(({ type }) => type === VERSIONS_NEEDED)
      .flatMap((section) => versionsOf(bytes, section, sections[section.link])),
  };
}

/** The newest version of that name, such as `[2, 17]` of `GLIBC`; undefined where none is needed. */
export function newest(versions, name) {
  return versions
    .filter((version) => version.startsWith(`${name}_`))
    .map((version) =>
      version
        .slice(name.length + 1)
        .split('.')
        .map(Number),
    )
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .at(-1);
}

/** Of what is loaded of it. */
function alignmentsOf(bytes) {
  const [table, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const headers = Array.from({ length: count }, (_, index) => table + index * size);
  return headers.filter((at) => bytes.readUInt32LE(at) === LOADED).map((at) => Number(bytes.readBigUInt64LE(at + 48)));
}

function sectionsOf(bytes) {
  const [table, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * size;
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
      count: bytes.readUInt32LE(at + 44),
    };
  });
}

function text(bytes, strings, index) {
  const from = strings.offset + index;
  return bytes.latin1Slice(from, bytes.indexOf(0, from));
}

function librariesOf(bytes, dynamic, strings) {
  const found = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (Number(bytes.readBigInt64LE(at)) === NEEDED) found.push(text(bytes, strings, Number(bytes.readBigUInt64LE(at + 8))));
  }
  return found;
}

/** A list of libraries, each with a list of versions; both are linked by offsets from the entry itself. */
function versionsOf(bytes, section, strings) {
  const found = [];
  let library = section.offset;
  for (let left = section.count; left > 0; left--) {
    let version = library + bytes.readUInt32LE(library + 8);
    for (let of = bytes.readUInt16LE(library + 2); of > 0; of--) {
      found.push(text(bytes, strings, bytes.readUInt32LE(version + 8)));
      version += bytes.readUInt32LE(version + 12);
    }
    library += bytes.readUInt32LE(library + 12);
  }
  return found;
}
