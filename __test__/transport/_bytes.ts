import type { Connection } from 'iouring-transport/transport';

/** Reads so many bytes; fewer where the end comes first. */
export async function readBytes(connection: Connection, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let got = 0; got < length; got += parts.at(-1)!.length) {
    const payload = await connection.read();
    if (payload === null) break;
    parts.push(payload.takeBytes());
  }
  return Buffer.concat(parts);
}
