/** Started by template-lifetime.test.ts: renders a template, says the pid of the process that does, and goes on as it is told. */
import childProcess from 'node:child_process';
import { TemplateRenderer } from '../../lib/llm/chat/template-renderer';

const [, , ending] = process.argv;
const { fork } = childProcess;
let pid: number | undefined;
childProcess.fork = ((...of: Parameters<typeof fork>) => {
  const child = fork(...of);
  pid = child.pid;
  return child;
}) as typeof fork;

async function main(): Promise<void> {
  const idle = new TemplateRenderer('{{ a }}', 'a template');
  if (ending === 'idle') {
    await idle.render({ a: 1 });
    process.stdout.write(`${pid}\n`);
    return;
  }
  const loop = '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}';
  void new TemplateRenderer(loop, 'a template').render({}).catch(() => undefined);
  // The pid is there at once; half a second later the loop runs.
  setTimeout(() => process.stdout.write(`${pid}\n`), 500);
}

void main();
