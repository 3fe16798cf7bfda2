import type { IncomingMessage } from 'node:http';

/** What a client may go on sending when it has its answer; more than any picture, and no stream without an end. */
const MAX_BYTES = 64 * 2 ** 20;
const MAX_MS = 10_000;
const LOOK_MS = 100;

/**
 * Bounds what is left of a request that was answered before its body was read. The connection cannot be closed at once: what is on its way
 * would be met by a reset, which takes the answer from a client that has not read it yet. Node reads on and throws away, without an end.
 */
export function boundRest(request: IncomingMessage): void {
  const { socket } = request;
  const start = socket.bytesRead;
  const deadline = performance.now() + MAX_MS;
  const timer = setInterval(() => {
    const isOver = request.complete || socket.destroyed;
    if (!isOver && socket.bytesRead - start < MAX_BYTES && performance.now() < deadline) return;
    clearInterval(timer);
    if (!isOver) socket.destroy();
  }, LOOK_MS).unref();
}
