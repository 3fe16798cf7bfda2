import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Of each connection, what is to be done for its requests when it ends; one listener for all of them. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `end` when the answer is sent or its connection breaks. The response alone does not tell: one that waits behind another's
 * (pipelining) has no connection yet, and hears nothing of its end.
 */
export function whenOver({ raw: { socket } }: FastifyRequest, { raw: response }: FastifyReply, end: () => void): void {
  const ends = endsOf(socket);
  ends.add(end);
  response.once('close', () => {
    ends.delete(end);
    end();
  });
}

function endsOf(socket: Socket): Set<() => void> {
  const known = waiting.get(socket);
  if (known) return known;
  const ends = new Set<() => void>();
  waiting.set(socket, ends);
  socket.once('close', () => {
    for (const end of ends) end();
  });
  return ends;
}
