/** Runs `action` with an environment variable set, which native code reads too. */
export async function withVariable<T>(name: string, value: string, action: () => T | Promise<T>): Promise<T> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    return await action();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}
