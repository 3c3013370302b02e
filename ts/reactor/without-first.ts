/** What follows the first `count` bytes of chunks, of which there are at least so many. Chunks that are whole stay as they are. */
export function withoutFirst(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let first = 0;
  let left = count;
  while (first < chunks.length && left >= chunks[first].byteLength) left -= chunks[first++].byteLength;
  const rest = chunks.slice(first);
  if (left > 0) {
    const { buffer, byteOffset, byteLength } = rest[0];
    // Not `subarray`, which may be another class's.
    rest[0] = new Uint8Array(buffer, byteOffset + left, byteLength - left);
  }
  return rest;
}
