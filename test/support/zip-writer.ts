/** One file of an archive; what is not its name and data is how to lie about it. */
export interface ZipItem {
  name: string | Buffer;
  data: Uint8Array;
  method?: number;
  flags?: number;
  /** In the directory, in place of the true ones. */
  bytes?: number;
  packedBytes?: number;
  localOffset?: number;
  /** In the local header. */
  localName?: string;
  /** Sizes and place in a zip64 extra field, behind another extra field. */
  wide?: boolean;
  /** In place of that field's numbers. */
  wideValues?: readonly bigint[];
}

export interface ZipOptions {
  comment?: string;
  /** A zip64 end record and its locator, as PyTorch always writes them. */
  wideEnd?: boolean;
  /** In the end records, in place of the true ones. */
  count?: number;
  directoryBytes?: number;
  directoryOffset?: number;
  disk?: number;
  wideCount?: bigint;
  wideOffset?: bigint;
  locator?: bigint;
}

const numbers = (...fields: readonly (readonly [bytes: 2 | 4 | 8, value: number | bigint])[]): Buffer =>
  Buffer.concat(
    fields.map(([bytes, value]) => {
      const field = Buffer.alloc(8);
      field.writeBigUInt64LE(BigInt(value));
      return field.subarray(0, bytes);
    }),
  );

/** A zip archive, with the fields of PKWARE's APPNOTE.TXT; data descriptors behind the data, as PyTorch writes it. */
export function zipBytes(items: readonly ZipItem[], options: ZipOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const item of items) {
    const local = localPart(item);
    directory.push(centralPart(item, offset));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  return Buffer.concat([...parts, central, endPart(items.length, offset, central.length, options)]);
}

function localPart({ name, data, method = 0, flags = 8, localName }: ZipItem): Buffer {
  const text = Buffer.from(localName ?? name);
  // Three bytes of padding: the local extra field is longer than the directory's.
  const extra = numbers([2, 0x4246], [2, 3]);
  const header = numbers([4, 0x04034b50], [2, 45], [2, flags], [2, method], [4, 0], [4, 0], [4, 0], [4, 0]);
  const lengths = numbers([2, text.length], [2, extra.length + 3]);
  const descriptor = numbers([4, 0x08074b50], [4, 0], [8, data.length], [8, data.length]);
  return Buffer.concat([header, lengths, text, extra, Buffer.alloc(3), data, descriptor]);
}

function centralPart(item: ZipItem, offset: number): Buffer {
  const { data, method = 0, flags = 8 } = item;
  const name = Buffer.from(item.name);
  const sizes = [item.bytes ?? data.length, item.packedBytes ?? data.length, item.localOffset ?? offset];
  const wide = (item.wideValues ?? sizes.map(BigInt)).map((value) => [8, value] as const);
  const extra = item.wide
    ? Buffer.concat([numbers([2, 0x7075], [2, 1]), Buffer.alloc(1), numbers([2, 1], [2, 8 * wide.length], ...wide)])
    : Buffer.alloc(0);
  const [bytes = 0, packed = 0, at = 0] = item.wide ? [0xffffffff, 0xffffffff, 0xffffffff] : sizes;
  const header = numbers([4, 0x02014b50], [2, 45], [2, 45], [2, flags], [2, method], [4, 0], [4, 0]);
  const lengths = numbers([4, packed], [4, bytes], [2, name.length], [2, extra.length], [2, 0]);
  return Buffer.concat([header, lengths, numbers([2, 0], [2, 0], [4, 0], [4, at]), name, extra]);
}

function endPart(entries: number, end: number, bytes: number, options: ZipOptions): Buffer {
  const count = options.count ?? entries;
  const directoryBytes = options.directoryBytes ?? bytes;
  const offset = options.directoryOffset ?? end;
  const comment = Buffer.from(options.comment ?? '');
  const disk = options.disk ?? 0;
  const wideCount = options.wideCount ?? BigInt(entries);
  const record = numbers([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, wideCount], [8, wideCount]);
  const place = numbers([8, bytes], [8, options.wideOffset ?? end]);
  const locator = numbers([4, 0x07064b50], [4, 0], [8, options.locator ?? end + bytes], [4, 1]);
  const short = numbers(
    [4, 0x06054b50],
    [2, disk],
    [2, disk],
    [2, count],
    [2, count],
    [4, directoryBytes],
    [4, offset],
  );
  const wide = options.wideEnd ? [record, place, locator] : [];
  return Buffer.concat([...wide, short, numbers([2, comment.length]), comment]);
}
