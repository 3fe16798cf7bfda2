import type { RemoteFile } from './listing';

/** How far a download is. */
export interface DownloadProgress {
  /** `openai/clip-vit-base-patch32` */
  readonly name: string;
  /** The file that is being fetched; null while another process downloads the same model. */
  readonly file: string | null;
  /** Bytes that are here, of `total`: what is needed, as far as is known by now. */
  readonly received: number;
  readonly total: number;
}

/** Often enough for a line on a terminal. */
const REPORT_MS = 100;

/** Adds up the files of a download. */
export class Progress {
  private readonly received = new Map<string, number>();
  private readonly expected = new Map<string, number>();
  private last = -Infinity;

  constructor(
    readonly name: string,
    private readonly report: ((progress: DownloadProgress) => void) | undefined,
  ) {}

  wait(): void {
    this.say(null);
  }

  expect(files: readonly RemoteFile[]): void {
    for (const { path, bytes } of files) this.expected.set(path, bytes);
  }

  at({ path, bytes }: RemoteFile, here: number): void {
    this.received.set(path, here);
    if (here === bytes || performance.now() - this.last > REPORT_MS) this.say(path);
  }

  private say(file: string | null): void {
    this.last = performance.now();
    const sum = (counts: Map<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
    this.report?.({ name: this.name, file, received: sum(this.received), total: sum(this.expected) });
  }
}
