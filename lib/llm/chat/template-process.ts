/**
 * Renders chat templates for the process that forked this one (template-renderer.ts). A template is a program that came with a model:
 * the interpreter gives it what it is handed and nothing of the process, this process has little memory, and time is bounded here, so
 * that it ends with its parent however busy it is.
 */
import type { Template } from '@huggingface/jinja' with { 'resolution-mode': 'import' };
import { createContext, Script } from 'node:vm';

import { MAX_RENDERED, READY, TIME_LIMIT_MS, type Rendered, type Rendering } from './template-protocol';
import { keepUnknownEscapes } from './unknown-escapes';

void serve();

async function serve(): Promise<void> {
  const { Template: Parsed } = await import('@huggingface/jinja');
  process.on('message', (rendering: Rendering) => send(render(Parsed, rendering)));
  process.on('disconnect', () => process.exit());
  // When to stop is the parent's decision.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  send(READY);
}

function render(Parsed: typeof Template, { source, variables }: Rendering): Rendered {
  try {
    // The context is there for its timeout: it stops whatever the call does, wherever that was made.
    const context = createContext({ render: () => new Parsed(keepUnknownEscapes(source)).render(variables) });
    const text = String(new Script('render()').runInContext(context, { timeout: TIME_LIMIT_MS }));
    if (text.length <= MAX_RENDERED) return { text };
    return { stopped: `a text of ${text.length} characters` };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      return { stopped: `no end after ${TIME_LIMIT_MS} ms` };
    }
    const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
    return { reason: JSON.stringify(line.slice(0, 200)) };
  }
}

function send(rendered: Rendered | typeof READY): void {
  // Without a callback a failure would be thrown; it means that the parent is gone.
  process.send?.(rendered, undefined, undefined, (error) => {
    if (error) process.exit();
  });
}
