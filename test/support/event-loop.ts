/**
 * Turns that the event loop makes until `work` is settled: thousands a second where it is done elsewhere, one or two for each step that
 * is waited for where it blocks. Unlike ticks of a timer, that tells the two apart however fast the machine is.
 */
export async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let [turns, waiting] = [0, true];
  const turn = (): void => {
    turns += 1;
    if (waiting) setImmediate(turn);
  };
  turn();
  await work.finally(() => (waiting = false));
  return turns;
}
